"""Says what the site gives to access: a way to answer with one of its pages."""

from __future__ import annotations

from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

SIGN_IN, ENTER, SIGNED_OUT, REFUSED, CONTINUE = (
    f"access/{name}.html" for name in ("sign_in", "enter", "signed_out", "refused", "continue")
)
"""Templates of this room, which the environment of the site loads too."""


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
