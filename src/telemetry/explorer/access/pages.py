"""Says what the site gives to access: a way to answer with one of its pages."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from telemetry.explorer.access.refused import Refused

SIGN_IN, ENTER, SIGNED_OUT, REFUSED, CONTINUE = (
    f"access/{name}.html" for name in ("sign_in", "enter", "signed_out", "refused", "continue")
)
"""Templates of this room, which the environment of the site loads too."""
_MISDIRECTED = 421


class Pages(Protocol):
    """Renders a page of the explorer."""

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page.

        Args:
            request: What is answered; it may have no session.
            template: Name of the template.
            status: Status of the answer.
            **values: Values of the template, beside those that every page has.
        """


def refusal_page(pages: Pages, request: Request, refusal: Refused) -> Response:
    """Return the page that says why something is refused."""
    if refusal.status == _MISDIRECTED:
        # A request under another name gets no page: its links would be of that name.
        return PlainTextResponse(f"{refusal.detail}\n", refusal.status)
    title = HTTPStatus(refusal.status).phrase
    return pages.page(
        request, REFUSED, status=refusal.status, title=title, detail=refusal.detail, refused_status=refusal.status
    )
