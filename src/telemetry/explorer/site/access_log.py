"""Shows who opened the trail, searched it, looked at events and took some away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from telemetry.exceptions import ConfigurationError
from telemetry.explorer.access.refused import Refused
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.route import require
from telemetry.explorer.access.visit import session_of
from telemetry.explorer.index.found import Found
from telemetry.explorer.index.row import IndexedEvent
from telemetry.explorer.index.search import Search
from telemetry.explorer.site.answering.rows import NOT_A_READER, ShownRow, shown_rows
from telemetry.explorer.site.asked.asking import Asked, read_asked
from telemetry.explorer.site.asked.told import told
from telemetry.explorer.site.site import Site
from telemetry.pages.addresses import own_url
from telemetry.pages.marks import Mark
from telemetry.reader.trust.policy import READER_SERVICE, service_of

PAGE_ROWS = 100
_BAD, _SEE_OTHER = 400, 303
_FILTERS = frozenset(("user", "since", "until"))
_VERBS = {
    "telemetry.read": "opened the trail",
    "telemetry.searched": "searched",
    "telemetry.viewed": "looked at an event",
    "telemetry.exported": "took events away",
}
"""What the events of looks say, by their type."""
_MAX_COUNT = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLook:
    """A look, as the list shows it.

    Attributes:
        row: The event that records it.
        marks: What is proven of it, and what is not.
        what: What was done.
        name: Name of the person; empty where the event has none beside the user.
        reason: Why; empty without a reason.
        address: Address from which; empty where it is not known.
        signed_in: How the person had signed in; empty where it is not known.
        conditions: What was searched for or taken away, in words; empty for none.
        about: Id of the event that was looked at; empty for none.
    """

    row: ShownRow
    marks: tuple[Mark, ...]
    what: str
    name: str
    reason: str
    address: str
    signed_in: str
    conditions: str
    about: str


def routes(site: Site) -> list[Route]:
    """Return the routes."""

    @require(Right.READ, content=True)
    async def show(request: Request) -> Response:
        session = session_of(request)
        asked = read_asked(request.scope["query_string"], now=datetime.now(UTC), is_open=session.is_open)
        if asked.search is None or not _FILTERS.issuperset(asked.values):
            return _page(site, request, asked, status=_BAD)
        if asked.has_blanks:
            return RedirectResponse(
                own_url("/access", **{name: list(asked.values[name]) for name in asked.values}), _SEE_OTHER
            )
        found = await site.turns.run(session, _found, site, asked.search, asked.after)
        description = {"access_log": True, **asked.describe(with_text=site.looks.with_text)}
        await site.looks.searched(session, description | ({"page": asked.after} if asked.after else {}), found.total)
        return await site.turns.run(session, _page, site, request, asked, found=found)

    return [Route("/access", show, methods=["GET"])]


def _found(site: Site, search: Search, after: str) -> Found:
    looks = replace(search, wanted=replace(search.wanted, types=tuple(_VERBS)))
    try:
        return site.index.search(looks, with_content=True, after=after or None, limit=PAGE_ROWS)
    except ConfigurationError as exc:
        detail = "The address of this page is not one of the explorer. Begin again with the access log."
        raise Refused(_BAD, "bad_query", detail) from exc


def _page(site: Site, request: Request, asked: Asked, *, status: int = 200, found: Found | None = None) -> Response:
    rows = found.rows if found is not None else []
    return site.pages.page(
        request,
        "access_log.html",
        status=status,
        asked=asked,
        looks=[_shown(each) for each in site.index.events(rows, with_content=True)],
        total=found.total if found is not None else 0,
        next=own_url("/access", **asked.values, after=found.next) if found is not None and found.next else None,
    )


def _shown(indexed: IndexedEvent) -> ShownLook:
    (row,), event = shown_rows([indexed]), indexed.event
    # Another program may have written an event of such a type: its payload can be anything.
    payload = event.payload if event is not None and isinstance(event.payload, dict) else {}
    about = event.entity_id if event is not None and event.entity == "audit_event" else None
    return ShownLook(
        row=row,
        marks=row.marks if service_of(row.service) == READER_SERVICE else (*row.marks, NOT_A_READER),
        what=_what(row.event_type, payload),
        name=_text(payload, "name"),
        reason=(event.reason if event is not None else None) or _text(payload, "reason"),
        address=(event.ip_address if event is not None else None) or "",
        signed_in=_text(payload, "signed_in") or _text(payload, "program"),
        conditions=told(payload.get("filters") or payload.get("description")),
        about=about or "",
    )


def _what(event_type: str, payload: Mapping[str, Any]) -> str:
    said = _VERBS.get(event_type, event_type)
    for member, words in (("found", "found"), ("events", "events")):
        count = payload.get(member)
        # From a record that another program may have written: of any kind, and of any length.
        if isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= _MAX_COUNT:
            return f"{said}, {words}: {count:,}"
    return said


def _text(payload: Mapping[str, Any], name: str) -> str:
    value = payload.get(name)
    return value if isinstance(value, str) else ""
