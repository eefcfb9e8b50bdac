"""Watches the messages of one HTTP request, and records it when its answer is complete or cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.integrations.asgi.messages import Message, Receive, Scope, Send
from telemetry.integrations.asgi.route import RouteFinder
from telemetry.integrations.web.request_audit import UNKEPT

if TYPE_CHECKING:
    from telemetry.integrations.web.request_audit import RequestAudit

_INTERNAL_ERROR = 500
_UNAVAILABLE = 503


class HttpExchange:
    """One request and its answer.

    The request is recorded when the last part of the answer has been handed to the server, so background tasks of the
    application do not count to it; with ``before_response`` before its first part.

    Args:
        audit: The request's audit.
        scope: Its scope; the application's router writes the route into it.
        receive: Receives from the server.
        send: Sends to the server.
    """

    def __init__(self, audit: RequestAudit, scope: Scope, receive: Receive, send: Send) -> None:
        self._audit = audit
        self._route = RouteFinder(scope)
        self._receive = receive
        self._send = send
        self._status: int | None = None
        self._is_complete = False
        self._is_disconnected = False
        self._is_replaced = False
        self._is_finished = False

    async def receive(self) -> Message:
        """Receive for the application."""
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self._is_complete:
            self._is_disconnected = True
        return message

    async def send(self, message: Message) -> None:
        """Send for the application."""
        if self._is_replaced:
            return
        kind = message["type"]
        if kind == "http.response.start":
            self._status = message["status"]
            if self._audit.must_wait and not await self._is_kept(message["status"]):
                await self._replace()
                return
        try:
            await self._send(message)
        except OSError:
            self._is_disconnected = True  # what a server raises when the client is gone
            raise
        # The path of a file is the whole body, where a server sends files itself.
        if kind == "http.response.pathsend" or (kind == "http.response.body" and not message.get("more_body", False)):
            self._is_complete = True
            self.finish(None)

    def finish(self, error: BaseException | None) -> None:
        """Record the request, or that its answer broke off; called again, it does nothing.

        Args:
            error: What the application raised.
        """
        if self._is_finished:
            return
        self._is_finished = True
        status = self._status
        if status is None and isinstance(error, Exception) and not self._is_disconnected:
            status = _INTERNAL_ERROR  # from the server, or from a handler outside of this middleware
        self._audit.finish(
            status=status,
            route=self._route.template(),
            error=error,
            disconnected=self._is_disconnected,
            complete=self._is_complete,
        )

    async def _is_kept(self, status: int) -> bool:
        return await self._audit.wait_async(self._audit.before_answer(status, route=self._route.template()))

    async def _replace(self) -> None:
        self._is_replaced = True
        self._audit.replaced(_UNAVAILABLE, route=self._route.template())
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(UNKEPT))]
        await self._send({"type": "http.response.start", "status": _UNAVAILABLE, "headers": headers})
        await self._send({"type": "http.response.body", "body": UNKEPT})
