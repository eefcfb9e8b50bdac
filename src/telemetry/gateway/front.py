"""Receives every request before the routes: recognizes callers, bounds what they take, and answers whatever goes wrong behind it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry.error_place import place_of
from telemetry.gateway.authentication import Authentication, Refusal
from telemetry.gateway.gateway import Gateway
from telemetry.gateway.peer import Peer
from telemetry.gateway.problems import problem_response
from telemetry.gateway.routes import otlp, otlp_description

logger = logging.getLogger("telemetry.gateway")

_GRACE_SECONDS = 2.0
"""What a route has after its deadline to write its answer."""
_LAST_SECONDS = 2.0
"""What even the answer that it took too long may take."""
_RETRY_SECONDS = 1.0
_TOO_MANY, _UNAVAILABLE, _NOT_IN_TIME = 429, 503, 408
_CLIENT_CLOSED = 499
"""As nginx writes it: the caller went away before its answer."""


class Front:
    """The outermost part of the application.

    ``/healthz`` and ``/readyz`` are answered to anyone, as is everything on the admin address; all else needs a caller.

    Args:
        app: The routes.
        observed: What the admin address answers, and the two paths that anyone may ask.
        gateway: What the routes share.
        authentication: Recognizes callers.
        paths: Path of each endpoint, for the metrics.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        observed: ASGIApp,
        gateway: Gateway,
        authentication: Authentication,
        paths: Mapping[object, str],
    ) -> None:
        self._app = app
        self._observed = observed
        self._gateway = gateway
        self._authentication = authentication
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        sent = _Sent(send)
        started = time.monotonic()
        try:
            # The last bound: a caller that does not read its answer is cut off, because no error can be written to it either.
            async with asyncio.timeout(self._gateway.limits.request_seconds + _GRACE_SECONDS + _LAST_SECONDS):
                await self._take(scope, receive, sent)
        except ClientDisconnect:
            sent.status = sent.status or _CLIENT_CLOSED
        except TimeoutError:
            scope["state"]["abort"]()
        except Exception as exc:  # noqa: BLE001 - one request's error must not show its content, nor end others
            # The type and the place; the text of an error may quote what was sent.
            logger.error(  # noqa: TRY400
                "a request failed: %s at %s; the caller was answered that the gateway has a defect",
                type(exc).__name__,
                place_of(exc),
            )
            if sent.status is None:
                detail = "The gateway has a defect. The request may be sent again; its log has the place."
                await _later(Request(scope), 500, detail, close=True)(scope, receive, sent)
        finally:
            route = self._paths.get(scope.get("endpoint"), "none")
            self._gateway.metrics.answered(route, sent.status or 500, time.monotonic() - started)

    async def _take(self, scope: Scope, receive: Receive, send: _Sent) -> None:
        peer: Peer = scope["state"]["peer"]
        if _has_unclear_length(scope):
            detail = "The request has Transfer-Encoding beside Content-Length, or with HTTP/1.0. Send one length."
            await problem_response(400, detail, close=True)(scope, receive, send)
        elif peer.is_admin or scope["path"] in ("/healthz", "/readyz"):
            await self._observed(scope, receive, send)
        else:
            await self._answer(peer, scope, receive, send)

    async def _answer(self, peer: Peer, scope: Scope, receive: Receive, send: _Sent) -> None:
        request = Request(scope)
        headers = scope["headers"]
        address = self._authentication.address_of(peer, headers)
        scope["state"]["address"] = address
        found = self._authentication.caller_of(peer, headers)
        if isinstance(found, Refusal):
            self._gateway.refused(None, request, found.reason, who=found.who)
            response = problem_response(found.status, found.detail, close=True)
            if found.status == 401:  # noqa: PLR2004 - RFC 9110 wants the scheme beside it
                response.headers["WWW-Authenticate"] = "Bearer"
            await response(scope, receive, send)
            return
        scope["state"]["caller"] = found
        if not self._gateway.enter(found):
            self._gateway.metrics.refused("too_many_requests")
            detail = "The gateway is working on as many requests as it may. Send the same request again later."
            await _later(request, 429, detail)(scope, receive, send)
            return
        try:
            await self._bounded(scope, receive, send)
        finally:
            self._gateway.leave(found)

    async def _bounded(self, scope: Scope, receive: Receive, send: _Sent) -> None:
        seconds = self._gateway.limits.request_seconds
        body = _Body(receive)
        scope["state"]["deadline"] = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout(seconds + _GRACE_SECONDS):
                await self._app(scope, body, send)
        except TimeoutError:
            self._gateway.metrics.refused("too_slow")
            if send.status is not None:
                scope["state"]["abort"]()
            else:
                status, detail = _NOT_IN_TIME, "The body did not arrive in time. Send it again."
                if body.is_complete:
                    status = _UNAVAILABLE
                    detail = "The gateway did not finish in time. Send the same request again, with an Idempotency-Key."
                response = _later(Request(scope), status, detail, close=True)
                await response(scope, receive, send)


class _Sent:
    """Sends, and remembers what was."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


class _Body:
    """Receives a body, and remembers whether all of it came."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_complete = False

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.is_complete = not message.get("more_body", False)
        return message


def _later(request: Request, status: int, detail: str, *, close: bool = False) -> Response:
    """Return an answer after which the same request may be sent again.

    Exporters of OpenTelemetry send nothing again after 408 and 500: they are answered 503.
    """
    if request.scope["path"] != otlp_description.PATH:
        pause = _RETRY_SECONDS if status in (_TOO_MANY, _UNAVAILABLE) else None
        return problem_response(status, detail, retry_after=pause, close=close)
    response = otlp.later_answer(
        request, _TOO_MANY if status == _TOO_MANY else _UNAVAILABLE, detail, retry_after=_RETRY_SECONDS
    )
    if close:
        response.headers["Connection"] = "close"
    return response


def _has_unclear_length(scope: Scope) -> bool:
    """Return whether two servers could disagree about where the body ends (RFC 9112, section 6.1)."""
    names = {name for name, _ in scope["headers"]}
    return b"transfer-encoding" in names and (b"content-length" in names or scope.get("http_version") == "1.0")
