"""Builds the application: the pages behind their door, each with what it needs."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from telemetry.exceptions import ReadNotRecordedError
from telemetry.explorer.access.access import Access
from telemetry.explorer.access.door.door import Door
from telemetry.explorer.access.own_path import path_of
from telemetry.explorer.access.pages import Pages, refusal_page
from telemetry.explorer.access.refused import Refused
from telemetry.explorer.access.route import require_declared
from telemetry.explorer.access.sign_in.routes import sign_in_path, sign_in_routes
from telemetry.explorer.access.visit import visit_of

logger = logging.getLogger("telemetry.explorer")

_SEE_OTHER, _NOT_SIGNED_IN = 303, 401
_NOT_RECORDED = (
    "This is not shown, because the record of who looks could not be written, and the trail requires it. Try again in a "
    "minute. The log of the explorer says what is wrong; the person who administers it can let it write to the topic, or give "
    "it a fallback store."
)
_NO_PAGE = "There is no such page, or not for this kind of request."


def guarded_app(access: Access, routes: Sequence[Route], pages: Pages) -> ASGIApp:
    """Return the application.

    Args:
        access: Decides about visitors.
        routes: The pages; each declares who may use it.
        pages: Renders pages, also those of refusals and of signing in.

    Raises:
        TypeError: A route does not declare who may use it.
    """
    answers = _Answers(access, pages)
    whole = [*routes, *sign_in_routes(access, pages)]
    require_declared(whole)
    app = Starlette(
        routes=whole,
        exception_handlers={
            Refused: answers.refuse,
            ReadNotRecordedError: answers.not_recorded,
            HTTPException: answers.no_page,
        },
    )
    # A redirect would repeat the host that the visitor wrote.
    app.router.redirect_slashes = False
    return Door(app, access=access, pages=pages)


class _Answers:
    """Answers instead of a page that raised."""

    def __init__(self, access: Access, pages: Pages) -> None:
        self._access = access
        self._pages = pages

    async def refuse(self, request: Request, error: Exception) -> Response:
        refusal = error if isinstance(error, Refused) else Refused(500, "defect", "")
        if refusal.status == _NOT_SIGNED_IN and request.method in ("GET", "HEAD"):
            # To come without a session is how every visit begins.
            return RedirectResponse(sign_in_path(path_of(request)), _SEE_OTHER)
        self._access.deny(refusal, visit_of(request))
        return refusal_page(self._pages, request, refusal)

    async def not_recorded(self, request: Request, error: Exception) -> Response:
        logger.error("%s", error)
        return refusal_page(self._pages, request, Refused(503, "not_recorded", _NOT_RECORDED))

    async def no_page(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        response = refusal_page(self._pages, request, Refused(status, "no_page", _NO_PAGE))
        for name, value in ((error.headers or {}) if isinstance(error, HTTPException) else {}).items():
            response.headers[name] = value
        return response
