"""Shows the life of a user or of a thing: its events by day, with what changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from telemetry.exceptions import ConfigurationError
from telemetry.explorer.access.refused import Refused
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.route import require
from telemetry.explorer.access.visit import session_of
from telemetry.explorer.index.found import Counts, Found
from telemetry.explorer.index.row import IndexedEvent
from telemetry.explorer.index.search import Search
from telemetry.explorer.site.answering.rows import ShownRow, shown_rows
from telemetry.explorer.site.answering.worth import doubts
from telemetry.explorer.site.asked.asking import Asked, read_pairs
from telemetry.explorer.site.asked.command_line import command_line
from telemetry.explorer.site.asked.fields import NEWEST, OLDEST
from telemetry.explorer.site.site import Site
from telemetry.pages.addresses import own_url
from telemetry.pages.charts import Chart, timeline
from telemetry.pages.event import Change, changes

PAGE_EVENTS = 100
_BAD = 400
_DAY = len("2026-01-31")


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose history it is.

    Attributes:
        title: What it is, in words.
        name: Its id, or the kind of things.
        parameter: Parameter of a search that finds its events.
        value: Value of that parameter.
        path: Address of the history, without its query.
        query: What the address has in its query beside the page and the order.
    """

    title: str
    name: str
    parameter: str
    value: str
    path: str
    query: dict[str, str]

    def url(self, *, order: str, after: str = "") -> str:
        """Return the address of a page of the history."""
        return own_url(self.path, **self.query, order="" if order == OLDEST else order, after=after)


@dataclass(frozen=True, slots=True)
class Step:
    """An event of the life line.

    Attributes:
        row: The event, as a list shows it.
        changes: What it changed.
    """

    row: ShownRow
    changes: list[Change]


@dataclass(frozen=True, slots=True)
class Life:
    """A page of the life line.

    Attributes:
        found: Its rows.
        counts: What all its events have in common.
        days: Its events by day (UTC), in order.
        activity: Chart of all its days; None if there are none.
    """

    found: Found
    counts: Counts
    days: list[tuple[str, list[Step]]]
    activity: Chart | None


def routes(site: Site) -> list[Route]:
    """Return the routes."""

    @require(Right.READ, content=True)
    async def user(request: Request) -> Response:
        return await _answer(site, request, _user(request))

    @require(Right.READ, content=True)
    async def entity(request: Request) -> Response:
        return await _answer(site, request, _entity(request))

    return [
        Route("/history/user", user, methods=["GET"]),
        Route("/history/user/{id}", user, methods=["GET"]),
        Route("/history/entity", entity, methods=["GET"]),
        Route("/history/entity/{kind}/{id}", entity, methods=["GET"]),
    ]


def _user(request: Request) -> Subject:
    # An id that is no plain segment of a path is in the query.
    in_path = "id" in request.path_params
    name = _required(request.path_params["id"] if in_path else request.query_params.get("id", ""))
    return Subject("History of user", name, "user", name, request.url.path, {} if in_path else {"id": name})


def _entity(request: Request) -> Subject:
    if "kind" in request.path_params:
        name = f"{request.path_params['kind']}/{request.path_params['id']}"
        return Subject("History of", name, "entity", name, request.url.path, {})
    kind = _required(request.query_params.get("kind", ""))
    entity_id = request.query_params.get("id", "")
    name = f"{kind}/{entity_id}" if entity_id else kind
    query = {"kind": kind} | ({"id": entity_id} if entity_id else {})
    return Subject("History of", name, "entity", name, request.url.path, query)


def _required(text: str) -> str:
    if not text:
        raise Refused(_BAD, "bad_query", "The address names nobody and nothing. Begin with a search.")
    return text


async def _answer(site: Site, request: Request, subject: Subject) -> Response:
    session = session_of(request)
    order = NEWEST if request.query_params.get("order") == NEWEST else OLDEST
    after = request.query_params.get("after", "")
    asked = read_pairs(
        [(subject.parameter, subject.value), ("order", order)], now=datetime.now(UTC), is_open=session.is_open
    )
    if asked.search is None:
        detail = "There can be no such user and no such thing: the name is too long. Begin with a search."
        raise Refused(_BAD, "bad_query", detail)
    life = await site.turns.run(session, _life, site, asked.search, after)
    description = asked.describe(with_text=site.looks.with_text) | ({"page": after} if after else {})
    await site.looks.searched(session, description, life.found.total)
    return await site.turns.run(session, _page, site, request, subject, asked, life)


def _life(site: Site, search: Search, after: str) -> Life:
    try:
        found = site.index.search(search, with_content=True, after=after or None, limit=PAGE_EVENTS)
    except ConfigurationError as exc:
        raise Refused(_BAD, "bad_query", "The address of this page is not one of the explorer.") from exc
    events = site.index.events(found.rows, with_content=True)
    steps = [(each.row.time[:_DAY], _step(each)) for each in events]
    counts = site.index.counts(search, with_content=True)
    return Life(
        found,
        counts,
        [(day, [step for _, step in group]) for day, group in groupby(steps, key=lambda pair: pair[0])],
        timeline(counts.days, title="Events a day") if counts.days else None,
    )


def _step(indexed: IndexedEvent) -> Step:
    event = indexed.event
    # What is marked as sensitive is shown where somebody opens the event, and not in a list.
    return Step(shown_rows([indexed])[0], [] if event is None or event.sensitive else changes(event))


def _page(site: Site, request: Request, subject: Subject, asked: Asked, life: Life) -> Response:
    return site.pages.page(
        request,
        "history.html",
        subject=subject,
        asked=asked,
        life=life,
        doubts=doubts(life.counts, asked),
        command=command_line(asked, base=site.scope.options_beside(asked.values)),
    )
