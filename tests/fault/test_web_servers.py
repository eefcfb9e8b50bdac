"""Each way in which a request can end is one event, on each server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedOK, InvalidStatus

from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditEvent
from tests.support.until import until
from tests.support.web.web_server import WebServer

SERVERS = {
    "uvicorn": "uvicorn --port PORT tests.support.web.served_fastapi:app",
    "uvicorn-without-lifespan": "uvicorn --lifespan off --port PORT tests.support.web.served_fastapi:app",
    "gunicorn": "gunicorn -k asgi -w 2 -b 127.0.0.1:PORT tests.support.web.served_fastapi:app",
    "gunicorn-uvicorn": "gunicorn -k uvicorn.workers.UvicornWorker -b 127.0.0.1:PORT tests.support.web.served_fastapi:app",
    "hypercorn": "hypercorn -b 127.0.0.1:PORT tests.support.web.served_fastapi:app",
}
# How the endpoint ends: status and outcome, and whether a background task runs then.
WAYS = {
    "ok": (200, "success", True),
    "401": (401, "denied", False),
    "403": (403, "denied", False),
    "404": (404, "failure", False),
    "error": (500, "failure", False),
}


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as broker:
        yield broker


@pytest.mark.parametrize("command", SERVERS.values(), ids=SERVERS)
def test_each_ending_is_one_event(tmp_path: Path, kafka: EmbeddedKafka, command: str) -> None:
    with WebServer(command, folder=tmp_path, kafka=kafka) as server:
        expected = _end_in_every_way(server)
        server.hang_up("/endless", _headers("user-gone", "gone"))
        until(lambda: _requests(server.events(), "gone"), what="the event of who hung up", state=server.output)
        server.end()
        events = server.events()

    for request, (user, status, outcome, mails) in expected.items():
        (event,) = _requests(events, request)
        assert (event.user_id, event.payload["status"], event.outcome) == (user, status, outcome), request
        assert event.ip_address == "127.0.0.1"
        others = [other for other in events if other.correlation_id == request and other.event_type == "mail.sent"]
        assert [other.user_id for other in others] == [user] * mails, request
    (gone,) = _requests(events, "gone")
    assert (gone.user_id, gone.outcome) == ("user-gone", "failure")
    assert not [event for event in events if "secret" in repr(event.payload)]


# Hypercorn says 1006, as after a lost connection, when a client has closed as it should.
@pytest.mark.parametrize(
    ("name", "closed"), [("uvicorn", "success"), ("gunicorn", "success"), ("hypercorn", "failure")]
)
def test_sockets_leave_beginning_and_end(tmp_path: Path, kafka: EmbeddedKafka, name: str, closed: str) -> None:
    with WebServer(SERVERS[name], folder=tmp_path, kafka=kafka) as server:
        with server.connect("/ws/1000", "ada") as socket:
            socket.send("hello")
            with pytest.raises(ConnectionClosedOK):
                socket.recv()
        with server.connect("/ws/1000", "bob"):
            pass
        with pytest.raises(InvalidStatus), server.connect("/ws/refused", "eve"):
            pass
        until(lambda: len(_sockets(server.events())) == 5, what="five events of sockets", state=server.output)
        server.end()
        events = _sockets(server.events())

    assert events == [
        ("ada", "websocket.connect", "success"),
        ("ada", "websocket.disconnect", "success"),
        ("bob", "websocket.connect", "success"),
        ("bob", "websocket.disconnect", closed),
        ("eve", "websocket.connect", "denied"),
    ]


def _sockets(events: list[AuditEvent]) -> list[tuple[str, str, str | None]]:
    found = [(event.user_id, event.event_type, event.outcome) for event in events]
    return sorted(one for one in found if one[1].startswith("websocket."))


def _end_in_every_way(server: WebServer) -> dict[str, tuple[str, int, str, int]]:
    expected = {}
    for kind in ("sync", "async"):
        for how, (status, outcome, has_mail) in WAYS.items():
            request = f"{kind}-{how}"
            assert server.request("POST", f"/{kind}/{how}", _headers(f"user-{request}", request))[0] == status
            expected[request] = (f"user-{request}", status, outcome, int(has_mail))
    assert server.request("POST", "/sync/ok", _headers("bad", "refused"))[0] == 401
    expected["refused"] = ("anonymous", 401, "denied", 0)
    server.request("POST", "/stream/ok", _headers("user-stream", "stream"))
    expected["stream"] = ("user-stream", 200, "success", 0)
    server.request("POST", "/stream/error", _headers("user-broken", "broken"))
    expected["broken"] = ("user-broken", 200, "failure", 0)
    return expected


def _headers(user: str, request: str) -> dict[str, str]:
    return {"Authorization": user, "X-Request-ID": request}


def _requests(events: list[AuditEvent], request: str) -> list[AuditEvent]:
    return [event for event in events if event.event_type == "http.request" and event.correlation_id == request]
