"""The examples run on real servers, and auditing costs them the lines that the documentation says."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.testing import EmbeddedKafka
from tests.support.web.web_server import ROOT, WebServer, basic

EXAMPLES = ROOT / "examples"


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as broker:
        yield broker


@pytest.mark.parametrize("name", ["fastapi", "flask"])
def test_auditing_costs_two_lines(name: str) -> None:
    plain, audited = ((EXAMPLES / name / file).read_text("utf-8").splitlines() for file in ("app_plain.py", "app.py"))

    changed = [line for line in difflib.ndiff(plain, audited) if line[0] in "+-"]

    assert len(changed) == 2
    assert all(line[0] == "+" and len(line) <= 102 for line in changed)


@pytest.mark.parametrize(
    "command",
    [
        "uvicorn --app-dir FOLDER --port PORT app:app",
        "gunicorn -k uvicorn.workers.UvicornWorker --chdir FOLDER -b 127.0.0.1:PORT app:app",
    ],
    ids=["uvicorn", "gunicorn"],
)
def test_fastapi_example_says_who_did_what(tmp_path: Path, kafka: EmbeddedKafka, command: str) -> None:
    command = command.replace("FOLDER", str(EXAMPLES / "fastapi"))
    with WebServer(command, folder=tmp_path, kafka=kafka) as server:
        ada = basic("ada", "analytical")
        statuses = [
            server.request("POST", "/orders/7/refund", headers)[0]
            for headers in (ada, basic("grace", "compiler"), basic("ada", "wrong"), {})
        ]
        statuses += [server.request("GET", "/orders/7", ada)[0], server.request("GET", "/orders/7")[0]]
        server.end()
        events = server.events()

    assert statuses == [200, 403, 401, 401, 200, 401]
    assert [(event.user_id, event.outcome, event.payload["method"], event.payload["route"]) for event in events] == [
        ("ada", "success", "POST", "/orders/{order_id}/refund"),
        ("grace", "denied", "POST", "/orders/{order_id}/refund"),
        ("anonymous", "denied", "POST", "/orders/{order_id}/refund"),
        ("anonymous", "denied", "POST", "/orders/{order_id}/refund"),
        ("anonymous", "denied", "GET", "/orders/{order_id}"),
    ]


@pytest.mark.parametrize(
    "command",
    [
        "gunicorn --chdir FOLDER -b 127.0.0.1:PORT app:app",
        "gunicorn --preload --threads 4 --chdir FOLDER -b 127.0.0.1:PORT app:app",
    ],
    ids=["sync", "preload"],
)
def test_flask_example_says_who_did_what(tmp_path: Path, kafka: EmbeddedKafka, command: str) -> None:
    command = command.replace("FOLDER", str(EXAMPLES / "flask"))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    with WebServer(command, folder=tmp_path, kafka=kafka) as server:
        assert server.request("POST", "/login", form, "name=ada&password=wrong")[0] == 401
        status, session = server.request("POST", "/login", form, "name=ada&password=analytical")
        assert status == 200
        for path in ("/orders/7/refund", "/orders/8/refund", "/logout"):
            server.request("POST", path, {"Cookie": session})
        server.end()
        events = server.events()

    found = [(event.event_type, event.user_id, event.outcome, event.payload.get("route")) for event in events]
    assert sorted(found) == sorted(
        [
            ("http.request", "anonymous", "denied", "/login"),
            ("user.login", "ada", "success", None),
            ("http.request", "ada", "success", "/login"),
            ("http.request", "ada", "success", "/orders/<int:order_id>/refund"),
            ("http.request", "ada", "denied", "/orders/<int:order_id>/refund"),
            ("user.logout", "ada", "success", None),
            ("http.request", "ada", "success", "/logout"),
        ]
    )
