"""Starts and ends the audit with an ASGI server: Django itself does not answer its ``lifespan`` messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from django.core.handlers.asgi import ASGIHandler

from telemetry.integrations.django.process import process

Messages = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_MARK = "_is_audited_by_telemetry"


class AuditLifespan:
    """An ASGI application for the ``lifespan`` of a server; ``ProtocolTypeRouter`` of Channels takes it under that name."""

    async def __call__(self, _scope: dict[str, Any], receive: Messages, send: Send) -> None:
        """Start what logs, wait for the end of the server, and send what was logged."""
        await receive()
        try:
            # Not at the first request: with a configuration that cannot work, nothing is served.
            await process.web.astart()
        except Exception as exc:  # noqa: BLE001 - the server reports it and ends
            await send({"type": "lifespan.startup.failed", "message": f"telemetry: {exc}"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await process.web.ashutdown()
        await send({"type": "lifespan.shutdown.complete"})


def install() -> None:
    """Have the application of ``get_asgi_application()`` answer; once, however often this is called."""
    original = ASGIHandler.__call__
    if hasattr(original, _MARK):
        return

    @wraps(original)
    async def __call__(self: ASGIHandler, scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: N807
        if scope["type"] == "lifespan":
            await AuditLifespan()(scope, receive, send)
        else:
            await original(self, scope, receive, send)

    setattr(__call__, _MARK, True)
    ASGIHandler.__call__ = __call__  # type: ignore[method-assign]
