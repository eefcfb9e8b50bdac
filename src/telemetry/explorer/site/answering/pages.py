"""Answers with a page: a template, and what every page of the explorer has."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from telemetry.explorer.access.own_path import path_of
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.session import UTC
from telemetry.explorer.access.visit import visit_of
from telemetry.explorer.index.event_index import EventIndex
from telemetry.explorer.site.answering.links import entity_url, event_url, user_url
from telemetry.explorer.site.scope import Scope
from telemetry.pages.environment import page_environment, render

NAVIGATION: Mapping[str, str] = MappingProxyType(
    {
        "/": "Overview",
        "/search": "Search",
        "/verification": "Verification",
        "/basket": "Evidence",
        "/access": "Access log",
    }
)
"""Address and name of each screen that every page leads to."""


class SitePages:
    """Renders the pages.

    Args:
        index: Says how far it is filled.
        scope: What is read.
    """

    def __init__(self, index: EventIndex, *, scope: Scope) -> None:
        self._index = index
        self._scope = scope
        self._environment = page_environment("telemetry.explorer.site", "telemetry.explorer.access")
        self._environment.globals.update(Right=Right, event_url=event_url, user_url=user_url, entity_url=entity_url)

    def page(
        self, request: Request, template: str, *, status: int = 200, refresh: int | None = None, **values: Any
    ) -> Response:
        """Return a page.

        Args:
            request: What is answered; it may have no session.
            template: Name of the template.
            status: Status of the answer.
            refresh: Seconds after which the browser loads the page again; None for never.
            **values: Values of the template, beside those that every page has.
        """
        session = visit_of(request).session
        text = render(
            self._environment,
            template,
            session=session,
            zone=None if session is None or session.zone == UTC else session.zone,
            navigation=NAVIGATION,
            here=request.url.path,
            here_url=path_of(request),
            state=self._index.state,
            scope=self._scope,
            **values,
        )
        # A header, so that the page itself stays one that never moves for programs that read it aloud.
        headers = {} if refresh is None else {"Refresh": str(refresh)}
        return HTMLResponse(text, status, headers=headers)
