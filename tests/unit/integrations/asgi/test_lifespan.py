from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from telemetry import Telemetry, sync
from telemetry.exceptions import ConfigurationError
from telemetry.integrations.asgi import AuditMiddleware, audit_lifespan
from telemetry.testing import CapturedEvents, capture_events
from tests.support.until import until
from tests.support.web.asgi_client import call
from tests.support.web.memory_config import memory_config


class Server:
    """The server's side of a lifespan."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.message = ""
        self._asked: asyncio.Queue[str] = asyncio.Queue()

    def ask(self, what: str) -> None:
        self._asked.put_nowait(f"lifespan.{what}")

    async def receive(self) -> dict[str, Any]:
        return {"type": await self._asked.get()}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message["type"].removeprefix("lifespan."))
        self.message = message.get("message", "")


async def live(app: Any) -> Server:
    server = Server()
    server.ask("startup")
    server.ask("shutdown")
    await app({"type": "lifespan", "state": {}}, server.receive, server.send)
    return server


@pytest.mark.parametrize("kind", [Telemetry, sync.Telemetry])
async def test_logging_begins_before_and_ends_after_the_application(
    captured_events: CapturedEvents, kind: type[Telemetry]
) -> None:
    telemetry = kind(memory_config())

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        await telemetry.audit.log("app.started", {}, user_id=None)
        yield
        await telemetry.audit.log("app.ended", {}, user_id=None)

    app = Starlette(lifespan=lifespan)
    app.add_middleware(AuditMiddleware, telemetry=telemetry)

    assert (await live(app)).sent == ["startup.complete", "shutdown.complete"]

    captured_events.one("app.started")
    captured_events.one("app.ended")
    assert telemetry.health().state == "stopped"


async def test_what_the_application_started_is_left_running(captured_events: CapturedEvents) -> None:
    async with Telemetry(memory_config()) as telemetry:
        app = Starlette()
        app.add_middleware(AuditMiddleware, telemetry=telemetry)
        await live(app)
        await telemetry.audit.log("still.running", {}, user_id=None)

    captured_events.one("still.running")


async def test_bad_configuration_stops_the_server(tmp_path: Path) -> None:
    (tmp_path / "telemetry.toml").write_text("[audit_config]\nno_such_field = 1\n")
    app = Starlette()
    app.add_middleware(AuditMiddleware, config=tmp_path / "telemetry.toml")

    server = await live(app)

    assert server.sent == ["startup.failed"]
    assert "no_such_field" in server.message
    with pytest.raises(ConfigurationError):
        await call(app)


async def test_bad_option_stops_the_server(captured_events: CapturedEvents) -> None:
    del captured_events
    app = Starlette()
    app.add_middleware(AuditMiddleware, telemetry=Telemetry(memory_config()), sample=2)

    assert (await live(app)).sent == ["startup.failed"]


async def test_application_without_lifespan_starts_with_a_request(captured_events: CapturedEvents) -> None:
    async def application(scope: Any, _receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    app = AuditMiddleware(application, config=memory_config())
    with pytest.raises(AssertionError):
        await live(app)
    answers = await asyncio.gather(*(call(app) for _ in range(20)))

    assert {answer.status for answer in answers} == {204}
    assert len(captured_events.all("http.request")) == 20


async def served(app: Any) -> Server:
    """Start the application, make a request, and end it."""
    server = Server()
    server.ask("startup")
    living = asyncio.create_task(app({"type": "lifespan", "state": {}}, server.receive, server.send))
    await until_async(lambda: bool(server.sent))
    if server.sent == ["startup.complete"]:
        await call(app)
        server.ask("shutdown")
    await living
    return server


async def until_async(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(until, condition)


@pytest.mark.parametrize("is_captured", [True, False])
async def test_application_that_starts_again_logs_again(is_captured: bool) -> None:
    app = Starlette()
    app.add_middleware(AuditMiddleware, config=memory_config())
    for _ in range(3):
        with capture_events() if is_captured else nullcontext() as captured:
            assert (await served(app)).sent == ["startup.complete", "shutdown.complete"]
        if captured is not None:
            captured.one("http.request")


async def test_given_telemetry_does_not_start_again() -> None:
    app = Starlette()
    app.add_middleware(AuditMiddleware, telemetry=Telemetry(memory_config()))

    assert (await served(app)).sent[-1] == "shutdown.complete"
    again = await served(app)

    assert again.sent == ["startup.failed"]
    assert "give config=" in again.message


async def test_lifespan_helper_runs_the_applications_own(captured_events: CapturedEvents) -> None:
    telemetry = Telemetry(memory_config())

    @asynccontextmanager
    async def own(_app: Any) -> AsyncIterator[dict[str, int]]:
        await telemetry.audit.log("app.started", {}, user_id=None)
        yield {"connections": 3}

    assert (await live(Starlette(lifespan=audit_lifespan(telemetry, then=own)))).sent[-1] == "shutdown.complete"

    captured_events.one("app.started")
    assert telemetry.health().state == "stopped"
    assert (await live(Starlette(lifespan=audit_lifespan(Telemetry(memory_config()))))).sent[0] == "startup.complete"
