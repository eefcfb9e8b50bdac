"""Searches the trail: every filter, counts that narrow the search, and the command that finds the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from telemetry.exceptions import ConfigurationError
from telemetry.explorer.access.refused import Refused
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.route import require
from telemetry.explorer.access.session import Session
from telemetry.explorer.access.visit import session_of
from telemetry.explorer.index.found import Counts, Found
from telemetry.explorer.index.search import Search
from telemetry.explorer.site.answering.rows import ShownRow, shown_rows
from telemetry.explorer.site.answering.worth import doubts
from telemetry.explorer.site.asked.asking import Asked, read_asked
from telemetry.explorer.site.asked.command_line import command_line, is_in_command_order
from telemetry.explorer.site.asked.fields import FIELDS
from telemetry.explorer.site.site import Site
from telemetry.pages.charts import timeline

PAGE_ROWS = 100
_SHOWN_VALUES = 10
_COUNTED_VALUES = 200
"""So many types are compared, so that a link to one of them does not find another that begins like it."""
_BAD, _SEE_OTHER = 400, 303
_CLOSED = 403


@dataclass(frozen=True, slots=True)
class Result:
    """What a search found.

    Attributes:
        found: The page.
        counts: What all of it has in common.
        rows: The rows of the page, for the list.
    """

    found: Found
    counts: Counts
    rows: list[ShownRow]


def routes(site: Site) -> list[Route]:
    """Return the routes."""

    @require(Right.SEALED)
    async def search(request: Request) -> Response:
        session = session_of(request)
        asked = read_asked(request.scope["query_string"], now=datetime.now(UTC), is_open=session.is_open)
        if asked.search is None:
            return _page(site, request, asked, status=_CLOSED if asked.closed and not asked.problems else _BAD)
        if asked.has_blanks:
            # A form sends its empty fields too; the address that is kept has none of them.
            return RedirectResponse(asked.page(asked.after), _SEE_OTHER)
        result = await site.turns.run(session, _result, site, session, asked.search, asked.after)
        if session.is_open:
            # Before anything of it is shown.
            await site.looks.searched(session, _described(site, asked), result.found.total)
        return await site.turns.run(session, _page, site, request, asked, result=result)

    return [Route("/search", search, methods=["GET"])]


def _described(site: Site, asked: Asked) -> dict[str, object]:
    """Return the conditions, and where a page begins: each page is a look of its own."""
    return asked.describe(with_text=site.looks.with_text) | ({"page": asked.after} if asked.after else {})


def _result(site: Site, session: Session, search: Search, after: str) -> Result:
    try:
        found = site.index.search(search, with_content=session.is_open, after=after or None, limit=PAGE_ROWS)
    except ConfigurationError as exc:
        detail = "The address of this page is not one of the explorer. Begin again with the search form."
        raise Refused(_BAD, "bad_query", detail) from exc
    return Result(
        found,
        site.index.counts(search, with_content=session.is_open, most=_COUNTED_VALUES),
        shown_rows(site.index.events(found.rows, with_content=session.is_open)),
    )


def _page(site: Site, request: Request, asked: Asked, *, status: int = 200, result: Result | None = None) -> Response:
    return site.pages.page(
        request,
        "search.html",
        status=status,
        fields=FIELDS,
        most_values=_SHOWN_VALUES,
        asked=asked,
        more_is_used=any(not FIELDS[name].is_main for name in asked.values),
        result=result,
        doubts=doubts(result.counts, asked) if result else [],
        command=command_line(asked, base=site.scope.options_beside(asked.values)),
        in_command_order=is_in_command_order(asked),
        days=timeline(result.counts.days, title="Events a day") if result and result.counts.days else None,
    )
