"""Receives every request: refuses what no browser sends, finds the session, compares a form's token, and seals the answer."""

from __future__ import annotations

import asyncio
import hmac
import logging

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry.error_place import place_of
from telemetry.explorer.access.access import Access
from telemetry.explorer.access.door.headers import NO_STORE, ONLY_TLS, SECURITY_HEADERS
from telemetry.explorer.access.door.plain_request import METHODS, require_own_page, require_plain
from telemetry.explorer.access.form import Form, read_form
from telemetry.explorer.access.pages import Pages, refusal_page
from telemetry.explorer.access.refused import FORBIDDEN, Refused
from telemetry.explorer.access.visit import Visit

logger = logging.getLogger("telemetry.explorer")

CSRF_FIELD = "csrf"
_BODY_SECONDS = 30.0
_STALE = "The page was too old, or belongs to another session. Load it again and repeat what you did."
_DEFECT = "The explorer has a defect. Its log has the place; nothing was changed."
_SLOW = "The form did not arrive in time. Send it again."


class Door:
    """The outermost part of the application.

    Args:
        app: The pages.
        access: Knows the sessions, and the addresses of the explorer.
        pages: Renders refusals.
    """

    def __init__(self, app: ASGIApp, *, access: Access, pages: Pages) -> None:
        self._app = app
        self._access = access
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return  # the explorer has no web sockets, and its parts are started by its process
        visit = Visit(None, address=self._access.senders.address_of(scope))
        visit.put_into(scope)
        sealed = _SealedSend(send, visit, needs_tls=self._access.origins.needs_tls)
        try:
            await self._take(visit, scope, receive, sealed)
        except Exception as exc:  # noqa: BLE001 - one request's error must not show its content, nor end others
            # The type and the place; the text of an error may quote what was sent or opened.
            logger.error("a page failed: %s at %s", type(exc).__name__, place_of(exc))  # noqa: TRY400
            if not sealed.has_begun:
                # Without a page: what fails may be the page.
                await PlainTextResponse(_DEFECT, 500)(scope, receive, sealed)

    async def _take(self, visit: Visit, scope: Scope, receive: Receive, send: _SealedSend) -> None:
        request = Request(scope, receive)
        try:
            require_plain(scope, self._access.origins)
            self._access.find_session(request, visit)
            if scope["method"] == "POST":
                require_own_page(scope, self._access.origins)
                visit.receive(await _read(request))
                _require_token(visit)
        except Refused as refusal:
            self._access.deny(refusal, visit)
            await self._refuse(refusal, scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _refuse(self, refusal: Refused, scope: Scope, receive: Receive, send: _SealedSend) -> None:
        response = refusal_page(self._pages, Request(scope), refusal)
        # What is left of the body is not read.
        response.headers["Connection"] = "close"
        if refusal.status == 405:  # noqa: PLR2004 - RFC 9110 wants the methods beside it
            response.headers["Allow"] = ", ".join(METHODS)
        await response(scope, receive, send)


class _SealedSend:
    """Sends an answer with the headers that every answer of the explorer has."""

    def __init__(self, send: Send, visit: Visit, *, needs_tls: bool) -> None:
        self._send = send
        self._visit = visit
        self._fixed = [*SECURITY_HEADERS, *([ONLY_TLS] if needs_tls else [])]
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            message = {**message, "headers": self._sealed(message.get("headers", ()))}
        await self._send(message)

    def _sealed(self, given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        fixed = {name for name, _ in self._fixed}
        # A page can say how long it is good for, and set no cookie: only the door knows what is a session.
        kept = [(name, value) for name, value in given if name.lower() not in fixed and name.lower() != b"set-cookie"]
        if not any(name.lower() == NO_STORE[0] for name, _ in kept):
            kept.append(NO_STORE)
        cookies = [(b"set-cookie", cookie.encode("ascii")) for cookie in self._visit.cookies]
        return [*kept, *self._fixed, *cookies]


async def _read(request: Request) -> Form:
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await read_form(request)
    except TimeoutError as exc:
        raise Refused(408, "slow_body", _SLOW) from exc


def _require_token(visit: Visit) -> None:
    if visit.session is None:
        return  # the forms of those who have not signed in yet carry a secret of their own
    given = visit.form.get(CSRF_FIELD)
    if not hmac.compare_digest(given.encode(), visit.session.csrf.encode()):
        raise Refused(FORBIDDEN, "bad_csrf", _STALE)
