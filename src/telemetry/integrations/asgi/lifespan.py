"""Starts what logs before an application starts, and ends it after the application has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from telemetry.exceptions import TelemetryError
from telemetry.integrations.asgi.messages import Application, Message, Receive, Scope, Send
from telemetry.integrations.recorder import Recorder

if TYPE_CHECKING:
    from telemetry import Telemetry
    from telemetry.integrations.web.web_audit import WebAudit

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]


class LifespanAudit:
    """The lifespan of one application.

    Args:
        web: What is to be started, or why it cannot be.
        receive: Receives from the server.
        send: Sends to the server.
    """

    def __init__(self, web: WebAudit | TelemetryError, receive: Receive, send: Send) -> None:
        self._web = web
        self._receive = receive
        self._send = send
        self._has_failed = False

    async def run(self, application: Application, scope: Scope) -> None:
        """Run the application's own lifespan.

        The server is told when what logs cannot be started, and ends: an exception alone would count as an application that
        knows no lifespan.
        """
        try:
            await application(scope, self._receive_started, self._send_ended)
        except Exception:
            if not self._has_failed:
                raise

    async def _receive_started(self) -> Message:
        message = await self._receive()
        if message["type"] == "lifespan.startup":
            try:
                if isinstance(self._web, TelemetryError):
                    raise self._web  # noqa: TRY301 - the same answer to the server
                await self._web.astart()
            except Exception as exc:
                self._has_failed = True
                await self._send({"type": "lifespan.startup.failed", "message": f"audit logging: {exc}"})
                raise
        return message

    async def _send_ended(self, message: Message) -> None:
        if self._has_failed:
            return  # the server was told already
        if message["type"] != "lifespan.startup.complete" and not isinstance(self._web, TelemetryError):
            await self._web.ashutdown()
        await self._send(message)


def audit_lifespan(telemetry: Telemetry, *, then: Lifespan | None = None) -> Lifespan:
    """Return a lifespan that starts and ends a ``Telemetry``, for an application that gives it to its middleware.

    Args:
        telemetry: What to start before the application, and to end after it.
        then: The application's own lifespan, which runs inside.
    """

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[Any]:
        recorder = Recorder("lifespan", telemetry=telemetry)
        await recorder.astart()
        try:
            if then is None:
                yield
            else:
                async with then(app) as state:
                    yield state
        finally:
            await recorder.ashutdown()

    return lifespan
