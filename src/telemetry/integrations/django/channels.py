"""Audits the WebSockets of Django Channels: who connected, and what changed while they were."""

from __future__ import annotations

from typing import Any

from telemetry.integrations.asgi import AuditMiddleware
from telemetry.integrations.asgi.messages import Application, Receive, Scope, Send
from telemetry.integrations.django.current_request import user_id_of
from telemetry.integrations.django.process import process
from telemetry.integrations.web.actor import Actor


class AuditChannels:
    """Belongs inside ``AuthMiddlewareStack``, around the router: ``AuthMiddlewareStack(AuditChannels(URLRouter(...)))``.

    Every event of a connection names who logged in to it. Hooks of the settings are not asked: they know requests alone.

    Args:
        app: The router, or a consumer.
    """

    def __init__(self, app: Application) -> None:
        self._app = app
        self._audited: AuditMiddleware | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if self._audited is None:
            await process.atry_to_start()
            web = process.settings.web
            self._audited = AuditMiddleware(
                self._app,
                telemetry=process.recorder.telemetry,
                actor=_user_of,
                trusted_proxies=web.trusted_proxies,
                proxy_header=web.proxy_header,
                session_cookie=web.session_cookie,
            )
        await self._audited(scope, receive, send)


def _user_of(scope: Scope) -> Actor | None:
    user: Any = scope.get("user")
    return Actor(user_id_of(user)) if user is not None and user.is_authenticated else None
