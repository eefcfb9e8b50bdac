from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from telemetry.config import GatewayConfig, GatewayLimits
from telemetry.gateway.authentication import Authentication
from telemetry.gateway.caller import Caller
from telemetry.gateway.front import Front
from telemetry.gateway.gateway import Gateway
from telemetry.gateway.identities.quotas import Quotas
from telemetry.gateway.identities.source import IdentitiesFile
from telemetry.gateway.identities.token import new_token
from telemetry.gateway.peer import Peer
from tests.support.gateway.credentials import identity, token_entry, write_identities

TOKEN = new_token()
CALLER = Caller("token:other", "payments", "token")


class Refusing(Gateway):
    """Remembers what it is told."""

    def __init__(self, limits: GatewayLimits) -> None:
        super().__init__(None, limits)  # type: ignore[arg-type]
        self.told: list[tuple[str, str]] = []

    def refused(self, caller: Any, request: Any, reason: str, *, who: str = "") -> None:  # noqa: ARG002 - the base class's
        self.told.append((reason, who))


class Asked:
    """A front with a route, and what it answered.

    Args:
        route: The route behind it.
        limits: Bounds.
    """

    def __init__(self, folder: Any, route: Any, **limits: Any) -> None:
        file = write_identities(folder / "identities.toml", identity("orders", tokens=[token_entry(TOKEN)]))
        identities = IdentitiesFile(file, own_service="gateway", quotas=Quotas())
        self.gateway = Refusing(GatewayLimits(**limits))
        authentication = Authentication(GatewayConfig(), identities)
        self.front = Front(route, observed=observed, gateway=self.gateway, authentication=authentication, paths={})
        self.aborted = 0
        self.status: int | None = None
        self.headers: dict[bytes, bytes] = {}
        self.body = b""

    async def ask(
        self, *headers: tuple[bytes, bytes], path: str = "/v1/events", token: str = TOKEN, **peer: Any
    ) -> int | None:
        """Ask once; return the status."""
        fields = [*headers, *([(b"authorization", f"Bearer {token}".encode())] if token else [])]
        state = {"peer": Peer("127.0.0.1", **peer), "abort": self._abort}
        scope = {"type": "http", "method": "POST", "path": path, "headers": fields, "state": state, "query_string": b""}
        await self.front(scope, receive, self._send)
        return self.status

    def _abort(self) -> None:
        self.aborted += 1

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.body += message.get("body", b"")

    @property
    def detail(self) -> str:
        """What the problem says."""
        return str(json.loads(self.body)["detail"])


async def receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def observed(scope: Scope, receive: Receive, send: Send) -> None:
    await Response("observed")(scope, receive, send)


async def taken(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["state"]["caller"].service == "orders"
    assert scope["state"]["address"] == "127.0.0.1"
    await Response("taken", 202)(scope, receive, send)


async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
    message = "canary"
    raise ValueError(message)


async def endless(_scope: Scope, receive: Receive, _send: Send) -> None:
    await receive()
    await asyncio.Event().wait()


async def waiting_for_the_body(_scope: Scope, _receive: Receive, _send: Send) -> None:
    await asyncio.Event().wait()


async def half_answered(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 202, "headers": []})
    await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def _no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.gateway.front._GRACE_SECONDS", 0.01)


async def test_a_known_caller_reaches_the_route(tmp_path: Any) -> None:
    asked = Asked(tmp_path, taken)

    assert await asked.ask() == 202
    assert asked.gateway.active == 0


async def test_nobody_reaches_only_health(tmp_path: Any) -> None:
    asked = Asked(tmp_path, taken)

    assert await asked.ask(token="") == 401
    assert asked.headers[b"www-authenticate"] == b"Bearer"
    assert asked.headers[b"connection"] == b"close"
    assert await asked.ask(path="/healthz", token="") == 200
    assert await asked.ask(path="/metrics", token="") == 401
    assert await asked.ask(path="/metrics", token="", is_admin=True) == 200
    assert asked.gateway.told == [("no_credentials", ""), ("no_credentials", "")]


async def test_an_error_is_answered_without_its_text(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    asked = Asked(tmp_path, broken)

    assert await asked.ask() == 500
    assert "canary" not in caplog.text + asked.detail
    assert "ValueError at test_front.py:" in caplog.text
    assert asked.gateway.active == 0


async def test_too_many_requests_are_told_to_come_again(tmp_path: Any) -> None:
    asked = Asked(tmp_path, taken, max_requests=1)
    assert asked.gateway.enter(CALLER)

    assert await asked.ask() == 429
    assert asked.headers[b"retry-after"] == b"1"
    asked.gateway.leave(CALLER)
    assert await asked.ask() == 202


async def test_exporters_are_told_in_their_way_to_come_again(tmp_path: Any) -> None:
    asked = Asked(tmp_path, taken, max_requests=1)
    assert asked.gateway.enter(CALLER)

    assert await asked.ask(path="/v1/logs") == 429
    assert 10 <= int(asked.headers[b"retry-after"]) <= 15
    assert "application/json" in asked.headers[b"content-type"].decode()


@pytest.mark.parametrize(("route", "status"), [(endless, 503), (waiting_for_the_body, 408)], ids=["answer", "body"])
async def test_what_takes_too_long_is_ended(tmp_path: Any, route: Any, status: int) -> None:
    asked = Asked(tmp_path, route, request_seconds=1)

    assert await asked.ask() == status
    assert asked.headers[b"connection"] == b"close"
    assert (asked.gateway.active, asked.aborted) == (0, 0)


@pytest.mark.parametrize("route", [endless, waiting_for_the_body, broken], ids=["answer", "body", "error"])
async def test_exporters_keep_what_was_not_taken(tmp_path: Any, route: Any) -> None:
    asked = Asked(tmp_path, route, request_seconds=1)

    assert await asked.ask(path="/v1/logs") == 503
    assert int(asked.headers[b"retry-after"]) >= 10
    assert asked.headers[b"connection"] == b"close"


async def test_an_answer_that_stops_in_the_middle_ends_the_connection(tmp_path: Any) -> None:
    asked = Asked(tmp_path, half_answered, request_seconds=1)

    assert await asked.ask() == 202
    assert asked.aborted == 1


async def test_two_lengths_are_refused(tmp_path: Any) -> None:
    asked = Asked(tmp_path, taken)

    assert await asked.ask((b"content-length", b"5"), (b"transfer-encoding", b"chunked")) == 400
    assert asked.headers[b"connection"] == b"close"


async def test_other_protocols_are_not_answered(tmp_path: Any) -> None:
    asked = Asked(tmp_path, taken)

    await asked.front({"type": "websocket"}, receive, asked._send)
    assert asked.status is None
