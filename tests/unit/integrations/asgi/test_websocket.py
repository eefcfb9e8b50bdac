from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.websockets import WebSocketDisconnect

from telemetry import sync
from telemetry.integrations.asgi import AuditMiddleware
from telemetry.testing import CapturedEvents
from tests.support.web.asgi_client import http_scope
from tests.support.web.fastapi_shop import shop

CONNECT, DISCONNECT = "websocket.connect", "websocket.disconnect"


class Peer:
    """A client that connects, says one thing and may leave."""

    def __init__(self, *, leaves_with: int | None = None) -> None:
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._messages.put_nowait({"type": "websocket.connect"})
        if leaves_with is None:
            self._messages.put_nowait({"type": "websocket.receive", "text": "hello"})
        else:
            self._messages.put_nowait({"type": "websocket.disconnect", "code": leaves_with})
        self.sent: list[MutableMapping[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        return await self._messages.get()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)


def socket_scope(path: str) -> dict[str, Any]:
    scope = http_scope("GET", path, [("Authorization", "ada")], subprotocols=[], extensions={})
    del scope["method"]
    return scope | {"type": "websocket", "scheme": "ws"}


@pytest.mark.parametrize(
    ("code", "outcome"), [(1000, "success"), (1001, "success"), (1008, "denied"), (3003, "denied"), (1011, "failure")]
)
async def test_beginning_and_end_are_recorded(
    telemetry: sync.Telemetry, captured_events: CapturedEvents, code: int, outcome: Any
) -> None:
    peer = Peer()
    await AuditMiddleware(shop(telemetry), telemetry=telemetry)(socket_scope(f"/ws/{code}"), peer.receive, peer.send)

    begun = captured_events.one(CONNECT, user_id="ada", outcome="success")
    assert begun.payload == {"method": "WEBSOCKET", "route": "/ws/{how}"}
    ended = captured_events.one(DISCONNECT, user_id="ada", outcome=outcome, correlation_id=begun.correlation_id)
    assert ended.payload["code"] == code


async def test_refused_socket_is_denied(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    peer = Peer()
    await AuditMiddleware(shop(telemetry), telemetry=telemetry)(socket_scope("/ws/refused"), peer.receive, peer.send)

    captured_events.one(CONNECT, outcome="denied", payload={"status": 403})
    captured_events.none(DISCONNECT)


@pytest.mark.parametrize(("code", "outcome"), [(1000, "success"), (1001, "success"), (1006, "failure")])
async def test_client_that_leaves_decides_the_outcome(
    telemetry: sync.Telemetry, captured_events: CapturedEvents, code: int, outcome: Any
) -> None:
    peer = Peer(leaves_with=code)
    app = AuditMiddleware(shop(telemetry), telemetry=telemetry)
    with pytest.raises(WebSocketDisconnect):
        await app(socket_scope("/ws/1000"), peer.receive, peer.send)

    ended = captured_events.one(DISCONNECT, outcome=outcome, payload={"code": code})
    assert "error" not in ended.payload


async def test_exception_after_accept_is_a_failure(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    peer = Peer()
    app = AuditMiddleware(shop(telemetry), telemetry=telemetry)
    with pytest.raises(ValueError, match="error"):
        await app(socket_scope("/ws/error"), peer.receive, peer.send)

    captured_events.one(CONNECT, outcome="success")
    captured_events.one(DISCONNECT, outcome="failure", payload={"error": "ValueError"})


async def test_application_that_decides_nothing_has_failed(
    telemetry: sync.Telemetry, captured_events: CapturedEvents
) -> None:
    async def application(*_: Any) -> None: ...

    peer = Peer()
    await AuditMiddleware(application, telemetry=telemetry)(socket_scope("/"), peer.receive, peer.send)

    captured_events.one(CONNECT, outcome="failure")


async def test_sampled_out_socket_has_no_end_either(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    peer = Peer()
    app = AuditMiddleware(shop(telemetry), telemetry=telemetry, sample=0)
    await app(socket_scope("/ws/1000"), peer.receive, peer.send)

    assert [event.event_type for event in captured_events] == ["http.sampling"]
