"""Records each request of an ASGI application, and gives every event that is logged in one its user and origin."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from telemetry.exceptions import TelemetryError
from telemetry.integrations.asgi.http_exchange import HttpExchange
from telemetry.integrations.asgi.lifespan import LifespanAudit
from telemetry.integrations.asgi.messages import Application, Receive, Scope, Send
from telemetry.integrations.asgi.websocket_exchange import WebsocketExchange
from telemetry.integrations.web.settings import WebOptions, WebSettings
from telemetry.integrations.web.web_audit import WebAudit

if TYPE_CHECKING:
    from telemetry import Telemetry, TelemetryConfig
    from telemetry.integrations.web.request_audit import RequestAudit


class AuditMiddleware:
    """Records requests as ``http.request`` events, and opens the audit context of each.

    It belongs outside of all other middleware, where it sees what they refuse: with Starlette and FastAPI, add it last. It
    starts what logs with the application's lifespan, or with the first request where the server has none.

    Args:
        app: The application.
        telemetry: What logs; None creates one from ``config``.
        config: Configuration of the one that is created, or its file; None is the ``TELEMETRY_*`` variables.
        **options: What is recorded; see ``telemetry.integrations.web.settings.WebSettings``. Hooks get the scope.
    """

    def __init__(
        self,
        app: Application,
        *,
        telemetry: Telemetry | None = None,
        config: TelemetryConfig | str | Path | None = None,
        **options: Unpack[WebOptions],
    ) -> None:
        self.app = app
        self._web: WebAudit | TelemetryError
        try:
            self._web = WebAudit("asgi", WebSettings(**options), telemetry=telemetry, config=config)
        except TelemetryError as exc:
            # Starlette creates its middleware inside the lifespan, where servers take an exception for an application
            # that knows no lifespan, and go on.
            self._web = exc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, connection or lifespan.

        Raises:
            TelemetryError: What logs cannot be started; nothing is served that would not be recorded.
        """
        kind = scope["type"]
        if kind == "lifespan":
            await LifespanAudit(self._web, receive, send).run(self.app, scope)
        elif kind in {"http", "websocket"}:
            web = self._web
            if isinstance(web, TelemetryError):
                raise web
            if not web.is_started:
                await web.astart()
            await self._serve(web, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _serve(self, web: WebAudit, scope: Scope, receive: Receive, send: Send) -> None:
        with _begun(web, scope) as audit:
            kind = HttpExchange if scope["type"] == "http" else WebsocketExchange
            exchange = kind(audit, scope, receive, send)
            try:
                await self.app(scope, exchange.receive, exchange.send)
            except BaseException as exc:
                exchange.finish(exc)
                raise
            exchange.finish(None)


def _begun(web: WebAudit, scope: Scope) -> RequestAudit:
    headers = _Headers(scope.get("headers", ()))
    client = scope.get("client")
    return web.begin(
        scope,
        method=scope.get("method", "WEBSOCKET"),
        path=scope.get("path", ""),
        peer=client[0] if client else None,
        header=headers.get,
        authenticated=lambda: scope.get("user"),
    )


class _Headers:
    """The headers of a request: bytes, which may be any."""

    def __init__(self, pairs: Iterable[Any]) -> None:
        self._pairs = pairs

    def get(self, name: str) -> str | None:
        wanted = name.encode("latin-1")
        found = [value for key, value in self._pairs if key == wanted]
        return b", ".join(found).decode("latin-1") if found else None
