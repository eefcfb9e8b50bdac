from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.util import FileWrapper

import pytest

from telemetry import sync
from telemetry.context import current_audit_context
from telemetry.exceptions import ConfigurationError
from telemetry.integrations.wsgi import ROUTE, AuditMiddleware, update_audit_context
from telemetry.outcome import Outcome
from telemetry.testing import CapturedEvents
from tests.support.web.memory_config import memory_config
from tests.support.web.wsgi_client import call

REQUEST = "http.request"

Start = Callable[..., Any]


def answering(
    status: str, body: Iterable[bytes] = (b"a", b"b"), **headers: str
) -> Callable[[Any, Start], Iterable[bytes]]:
    def application(environ: Any, start_response: Start) -> Iterable[bytes]:
        environ[ROUTE] = "/orders/<id>"
        start_response(status, [(name.replace("_", "-"), value) for name, value in headers.items()])
        return body

    return application


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("200 OK", "success"),
        ("302 Found", "success"),
        ("401 x", "denied"),
        ("403 x", "denied"),
        ("404 x", "failure"),
        ("500", "failure"),
    ],
)
def test_each_answer_is_one_event(
    telemetry: sync.Telemetry, captured_events: CapturedEvents, status: str, outcome: Outcome
) -> None:
    app = AuditMiddleware(answering(status), telemetry=telemetry)

    assert (
        call(app, environ={"REMOTE_USER": "ada", "HTTP_X_REQUEST_ID": "r-7", "HTTP_USER_AGENT": "curl"}).body == b"ab"
    )

    event = captured_events.one(
        REQUEST, user_id="ada", outcome=outcome, correlation_id="r-7", ip_address="192.0.2.7", user_agent="curl"
    )
    assert event.payload.pop("duration_ms") > 0
    assert event.payload == {"method": "POST", "route": "/orders/<id>", "status": int(status[:3])}


def test_exception_before_the_answer(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    def application(_environ: Any, _start: Start) -> Iterable[bytes]:
        message = "secret-in-error"
        raise ValueError(message)

    with pytest.raises(ValueError, match="secret"):
        call(AuditMiddleware(application, telemetry=telemetry))

    event = captured_events.one(REQUEST, outcome="failure", user_id="anonymous")
    assert (event.payload["status"], event.payload["error"], event.payload["route"]) == (500, "ValueError", None)


def test_body_has_the_context_of_its_request(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    closed: list[Any] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            telemetry.audit.log("body.begun", {})
            yield b"a"
            telemetry.audit.log("body.ended", {})

        def close(self) -> None:
            closed.append(current_audit_context()["user_id"])

    def application(_environ: Any, start_response: Start) -> Iterable[bytes]:
        update_audit_context(user_id="ada")
        start_response("200 OK", [])
        return Body()

    call(AuditMiddleware(application, telemetry=telemetry))

    for kind in ("body.begun", "body.ended", REQUEST):
        captured_events.one(kind, user_id="ada")
    assert closed == ["ada"]
    assert current_audit_context() == {}


def test_exception_in_the_body(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    def parts() -> Iterator[bytes]:
        yield b"a"
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it has no text
        call(AuditMiddleware(answering("200 OK", parts()), telemetry=telemetry))

    assert captured_events.one(REQUEST, outcome="failure").payload["error"] == "ValueError"


def test_client_that_leaves_is_a_failure(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    call(AuditMiddleware(answering("200 OK"), telemetry=telemetry), leaves_after=1)

    assert captured_events.one(REQUEST, outcome="failure").payload["disconnected"] is True


def test_known_length_ends_the_answer(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    call(AuditMiddleware(answering("200 OK", Content_Length="2"), telemetry=telemetry), leaves_after=2)

    captured_events.one(REQUEST, outcome="success")


def test_generator_may_start_its_answer_late(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    def application(_environ: Any, start_response: Start) -> Iterator[bytes]:
        start_response("403 Forbidden", [])
        yield b"no"

    assert call(AuditMiddleware(application, telemetry=telemetry)).status == "403 Forbidden"

    captured_events.one(REQUEST, outcome="denied")


def test_file_is_left_to_the_server(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    import io  # noqa: PLC0415

    file = FileWrapper(io.BytesIO(b"content"))
    middleware = AuditMiddleware(answering("200 OK", file), telemetry=telemetry)
    served = middleware({"REQUEST_METHOD": "POST", "wsgi.file_wrapper": FileWrapper}, lambda *_: lambda _: None)

    assert served is file
    captured_events.one(REQUEST, outcome="success")


def test_hostile_headers_leave_one_event_each(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    chance = random.Random(7)  # noqa: S311 - the same headers each time
    app = AuditMiddleware(answering("200 OK"), telemetry=telemetry, trusted_proxies=["192.0.2.7"], session_cookie="sid")
    names = ("USER_AGENT", "X_REQUEST_ID", "TRACEPARENT", "X_FORWARDED_FOR", "COOKIE")
    for _ in range(1_000):
        size = chance.choice((0, 1, 7, 64, 129, 1_025, 4_097, 65_536))
        headers = {f"HTTP_{chance.choice(names)}": chance.randbytes(size).decode("latin-1") for _ in range(4)}
        assert call(app, environ=headers).status == "200 OK"
        captured_events.one(REQUEST, outcome="success")
        captured_events.clear()


def test_threads_never_mix_users(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    def application(environ: Any, start_response: Start) -> Iterator[bytes]:
        telemetry.audit.log("used", {"by": environ["REMOTE_USER"]})
        start_response("200 OK", [])
        yield b""

    app = AuditMiddleware(application, telemetry=telemetry)

    def serve(worker: int) -> None:
        for number in range(50):
            call(app, environ={"REMOTE_USER": f"{worker}-{number}"})

    threads = [threading.Thread(target=serve, args=(worker,)) for worker in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    used = captured_events.all("used")
    assert len({event.user_id for event in used}) == len(used) == 1_000
    assert all(event.user_id == event.payload["by"] for event in used)


def test_first_request_starts_what_logs(captured_events: CapturedEvents) -> None:
    app = AuditMiddleware(answering("200 OK"), config=memory_config())

    call(app)

    captured_events.one(REQUEST)


def test_bad_configuration_is_refused_when_created(tmp_path: Any) -> None:
    (tmp_path / "telemetry.toml").write_text("no_such_field = 1\n")

    with pytest.raises(ConfigurationError, match="no_such_field"):
        AuditMiddleware(answering("200 OK"), config=tmp_path / "telemetry.toml")
