"""Runs the example project on real servers: every event of an answered request is on the topic when the server has ended."""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditEvent
from tests.support.django_example import EXAMPLES, ExampleServer, copy, logged, prepare, run
from tests.support.until import until

GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:PORT", "--workers", "2")
SERVERS = {
    "gunicorn": (*GUNICORN, "shop.wsgi:application"),
    "gunicorn-preload": (*GUNICORN, "--preload", "shop.wsgi:application"),
    "gunicorn-threads": (*GUNICORN, "--threads", "4", "shop.wsgi:application"),
    "uvicorn": ("-m", "uvicorn", "--port", "PORT", "shop.asgi:application"),
    "hypercorn": ("-m", "hypercorn", "--bind", "127.0.0.1:PORT", "shop.asgi:application"),
    "runserver": ("manage.py", "runserver", "--noreload", "PORT"),
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[AuditEvent]]:
    """The project with a database and a user, and what making them has logged."""
    folder = tmp_path_factory.mktemp("prepared")
    with EmbeddedKafka() as broker:
        prepare(folder, brokers=broker.bootstrap_servers)
        return folder, logged(folder)


@pytest.fixture
def project(prepared: tuple[Path, list[AuditEvent]], tmp_path: Path) -> Iterator[Path]:
    with EmbeddedKafka() as broker:
        copy(prepared[0], tmp_path, brokers=broker.bootstrap_servers)
        yield tmp_path


def _added_lines() -> list[str]:
    added = []
    for path in sorted((EXAMPLES / "audited").rglob("*.py")):
        plain = (EXAMPLES / "plain" / path.relative_to(EXAMPLES / "audited")).read_text().splitlines()
        difference = list(difflib.unified_diff(plain, path.read_text().splitlines(), n=0, lineterm=""))[2:]
        assert not [line for line in difference if line.startswith("-")]
        added += [line[1:] for line in difference if line.startswith("+")]
    return added


def test_example_adds_three_lines() -> None:
    added = _added_lines()

    assert len(added) == 3
    assert max(map(len, added)) <= 100
    names = [
        {str(path.relative_to(EXAMPLES / variant)) for path in (EXAMPLES / variant).rglob("*.py")}
        for variant in ("plain", "audited")
    ]
    assert names[0] == names[1]


@pytest.mark.parametrize("server", SERVERS)
def test_every_answered_request_is_on_the_topic(server: str, project: Path) -> None:
    with ExampleServer(project, *SERVERS[server]) as shop:
        assert shop.post("/orders/", article="tea", browser=shop.browser())[0] == 403
        assert shop.post("/login/", username="ada", password="wrong")[0] == 401
        assert shop.post("/login/", username="ada", password="very secret 1")[0] == 200
        numbers = [shop.post("/orders/", article=f"tea {number}")[1].strip() for number in range(3)]
        assert shop.post(f"/orders/{numbers[0]}/ship/")[1] == "1\n"
        assert shop.post("/orders/ship/")[1] == "2\n"
        if server != "runserver":
            assert shop.end() in (0, -signal.SIGTERM), shop.output()
        else:
            shop.end(signal.SIGINT)
    events = logged(project)

    requests = [(event.payload["route"], event.outcome) for event in events if event.event_type == "http.request"]
    assert sorted(requests) == sorted(
        [
            ("/orders/", "denied"),
            ("/login/", "denied"),
            ("/login/", "success"),
            *(("/orders/", "success"),) * 3,
            ("/orders/<int:number>/ship/", "success"),
            ("/orders/ship/", "success"),
        ]
    )
    ada = next(event.user_id for event in events if event.event_type == "user.login")
    made = [event for event in events if event.event_type == "order.created"]
    shipped = [event for event in events if event.event_type == "order.updated"]
    assert {event.user_id for event in made + shipped} == {ada}
    assert sorted(event.entity_id or "" for event in made) == sorted(numbers)
    assert [event.changes["state"].new for event in shipped] == ["shipped"] * 3
    routes = {event.correlation_id: event.payload["route"] for event in events if event.event_type == "http.request"}
    assert {routes[event.correlation_id] for event in made} == {"/orders/"}
    assert [event.user_id for event in events if event.event_type == "user.login_failed"] == ["ada"]
    assert "without shutdown" not in shop.output()


def test_management_command_says_what_it_is(prepared: tuple[Path, list[AuditEvent]]) -> None:
    (event,) = prepared[1]

    assert (event.event_type, event.source, event.user_id) == ("user.created", "manage.py createsuperuser", "system")


def test_reloader_logs_nothing_itself(project: Path) -> None:
    with ExampleServer(project, "manage.py", "runserver", "PORT") as shop:
        shop.post("/login/", username="ada", password="very secret 1")
        urls = project / "shop" / "urls.py"
        urls.write_text(urls.read_text().replace('"login/"', '"sign-in/"'))
        until(lambda: _signs_in(shop), state=shop.output)
        # Its child ends with it, and sends what it has logged.
        shop.interrupt()

        until(lambda: _logins(project) == 2, state=shop.output)
    assert len({event.producer for event in logged(project)}) == 2


def _signs_in(shop: ExampleServer) -> bool:
    try:
        return shop.post("/sign-in/", username="ada", password="very secret 1")[0] == 200
    except OSError:
        return False


def _logins(project: Path) -> int:
    return sum(event.event_type == "user.login" for event in logged(project))


def test_command_logs_and_ends(project: Path) -> None:
    script = "from shop.models import Order; Order.objects.bulk_create([Order(article='tea')] * 101)"

    output = run(project, "manage.py", "shell", "-c", script)

    event = next(event for event in logged(project) if event.event_type == "order.bulk_created")
    assert (event.payload["rows"], event.source, event.actor_type) == (101, "manage.py shell", "system")
    assert "without shutdown" not in output


@pytest.mark.parametrize("name", ["uvicorn", "gunicorn"])
def test_bad_configuration_stops_the_server(name: str, project: Path) -> None:
    (project / "telemetry.toml").write_text("[audit_config]\nkafka_brokers = 7\n")

    server = ExampleServer(project, *SERVERS[name])
    with pytest.raises(AssertionError, match="telemetry"), server:
        pass
