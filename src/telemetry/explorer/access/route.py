"""Declares for each route what a visitor needs, and lets nobody else in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from telemetry.explorer.access.own_path import path_of
from telemetry.explorer.access.refused import FORBIDDEN, Refused
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.visit import session_of

Endpoint = Callable[[Request], Awaitable[Response]]

_MARK = "__explorer_requirement__"
_SEE_OTHER = 303


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a route needs.

    Attributes:
        right: The right of the visitor; None for anyone, signed in or not.
        content: Whether the visitor must have given a reason for reading.
    """

    right: Right | None
    content: bool = False


def require(right: Right, *, content: bool = False) -> Callable[[Endpoint], Endpoint]:
    """Let an endpoint answer only to visitors with a right.

    Args:
        right: What the visitor must at least have.
        content: The endpoint shows content, so that a reason must have been given; a visitor who reads a page is sent to give it.
    """

    def declare(endpoint: Endpoint) -> Endpoint:
        @wraps(endpoint)
        async def guarded(request: Request) -> Response:
            session = session_of(request)
            if not session.may(right):
                raise Refused(FORBIDDEN, f"needs_{right.name.lower()}", _needs(right))
            if content and not session.is_open:
                return _ask_for_reason(request)
            return await endpoint(request)

        setattr(guarded, _MARK, Requirement(right, content))
        return guarded

    return declare


def anyone(endpoint: Endpoint) -> Endpoint:
    """Let an endpoint answer to everyone, signed in or not."""
    setattr(endpoint, _MARK, Requirement(None))
    return endpoint


def require_declared(routes: Iterable[BaseRoute]) -> None:
    """Check that each route says who may use it.

    Raises:
        TypeError: A route does not, or is of a kind that cannot.
    """
    for route in routes:
        if not isinstance(route, Route) or not isinstance(getattr(route.endpoint, _MARK, None), Requirement):
            message = (
                f"the route {getattr(route, 'path', route)!r} does not declare who may use it; add @require or @anyone"
            )
            raise TypeError(message)


def _ask_for_reason(request: Request) -> Response:
    if request.method not in ("GET", "HEAD"):
        detail = "Give the reason for reading first: the page that shows content asks for it."
        raise Refused(FORBIDDEN, "no_reason", detail)
    return RedirectResponse(f"/reason?next={quote(path_of(request), safe='')}", _SEE_OTHER)


def _needs(right: Right) -> str:
    return (
        f"This needs the right of a {right.noun}, which you do not have. Ask the person who administers the explorer; "
        "the attempt is recorded."
    )
