"""Shows one event: what happened, what is proven of it, and what happened beside it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from telemetry.explorer.access.refused import Refused
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.route import require
from telemetry.explorer.access.session import Session
from telemetry.explorer.access.visit import session_of
from telemetry.explorer.index.row import IndexedEvent, Row
from telemetry.explorer.site.answering.rows import ShownRow, content_mark, row_marks, shown_rows
from telemetry.explorer.site.site import Site
from telemetry.format.value.event import AuditEvent
from telemetry.pages.addresses import own_url
from telemetry.pages.event import Change, Field, Node, changes, fields, sentence, tree
from telemetry.pages.marks import Mark

NEIGHBOURS = 20
_NOT_FOUND = 404
_MAX_SEARCHED = 500
"""Characters of an actor for whom there is a link: an address has a bound."""
_BY = {"session_id": "Session", "correlation_id": "Request"}
_PARAMETER = {"session_id": "session", "correlation_id": "correlation"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRecord:
    """A record that claims the id of the event, as the page shows it.

    Attributes:
        row: The record.
        marks: What is proven of it, and what is not.
        content_mark: Mark of everything that is inside the seal; None where a checkpoint proves it.
        copies: How many further records with the same bytes were read.
        event: The event; None where its content is not shown.
        is_left_out: Whether that is because of its size, beside other records.
        sentence: What happened, in a sentence; empty where it is not shown.
        fields: Its fields.
        changes: What changed.
        payload: The payload, bounded; None where it is not shown.
        metadata: The metadata, bounded; None where there is none.
        searches: What else can be looked for: words before the value, the value, and the address of the search.
    """

    row: Row
    marks: tuple[Mark, ...]
    content_mark: Mark | None
    copies: int
    event: AuditEvent | None
    is_left_out: bool
    sentence: str
    fields: list[Field]
    changes: list[Change]
    payload: Node | None
    metadata: Node | None
    searches: list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Events of the same session, or of the same request.

    Attributes:
        title: Which of them.
        rows: Those around the event, in the order of time.
        total: How many there are.
        url: Address of the search that finds all of them.
    """

    title: str
    rows: list[ShownRow]
    total: int
    url: str


def routes(site: Site) -> list[Route]:
    """Return the routes."""

    @require(Right.SEALED)
    async def event(request: Request) -> Response:
        return await _answer(site, request, request.path_params["event_id"])

    @require(Right.SEALED)
    async def odd_event(request: Request) -> Response:
        return await _answer(site, request, request.query_params.get("id", ""))

    return [
        Route("/events/{event_id}", event, methods=["GET"]),
        Route("/event", odd_event, methods=["GET"]),
    ]


async def _answer(site: Site, request: Request, event_id: str) -> Response:
    session = session_of(request)
    records = await site.turns.run(session, site.index.event, event_id, with_content=session.is_open)
    if not records:
        detail = "The explorer has no event with this id. It may be older than what is read, or not have arrived yet."
        raise Refused(_NOT_FOUND, "no_such_event", detail)
    if session.is_open:
        await site.looks.viewed(session, event_id)
    return await site.turns.run(session, _page, site, request, session, records)


def _page(site: Site, request: Request, session: Session, records: list[IndexedEvent]) -> Response:
    return site.pages.page(
        request,
        "event.html",
        event_id=records[0].row.event_id,
        records=[_record(each) for each in records],
        # More may have come since the records were looked up, or some have given way.
        claims=max(len(records), site.index.claims(records[0].row.event_id)),
        neighbours=_neighbours(site, records[0].row) if session.is_open else [],
    )


def _record(indexed: IndexedEvent) -> ShownRecord:
    event = indexed.event
    return ShownRecord(
        row=indexed.row,
        marks=row_marks(indexed.row),
        content_mark=content_mark(indexed.row),
        copies=indexed.copies,
        event=event,
        is_left_out=indexed.is_left_out,
        sentence="" if event is None else sentence(event),
        fields=[] if event is None else fields(event, content_mark=content_mark(indexed.row)),
        changes=[] if event is None else changes(event),
        payload=None if event is None else tree(event.payload),
        metadata=tree(event.metadata) if event is not None and event.metadata else None,
        searches=[] if event is None else list(_searches(event)),
    )


def _searches(event: AuditEvent) -> Iterator[tuple[str, str, str]]:
    actor, address = event.actor_id, event.ip_address
    if actor and actor != event.user_id and len(actor) <= _MAX_SEARCHED:
        yield "Everything done by", actor, own_url("/search", actor=actor)
    if address and _is_address(address):
        yield "Everything from", address, own_url("/search", ip=address)


def _is_address(text: str) -> bool:
    """Return whether a text is what the filter for addresses accepts; an event may have any text there."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _neighbours(site: Site, row: Row) -> list[Neighbours]:
    """Return what happened in the same session and the same request; the record of the opened event covers them."""
    shown = []
    for by, title in _BY.items():
        value = getattr(row.content, by, None)
        if not value:
            continue
        found = site.index.neighbours(row, by=by, with_content=True, limit=NEIGHBOURS)  # type: ignore[arg-type]
        if found.total > 1:
            rows = shown_rows(site.index.events(found.rows, with_content=True))
            url = own_url("/search", order="oldest", **{_PARAMETER[by]: value})
            shown.append(Neighbours(title=title, rows=rows, total=found.total, url=url))
    return shown
