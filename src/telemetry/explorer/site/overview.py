"""Shows the trail at a glance: services, days, gaps, outages, readers, and what is wrong with records."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from telemetry.explorer.access.right import Right
from telemetry.explorer.access.route import require
from telemetry.explorer.access.session import Session
from telemetry.explorer.access.visit import session_of
from telemetry.explorer.index.overview import Overview, Reader
from telemetry.explorer.site.answering.absence import absence_chart
from telemetry.explorer.site.answering.rows import NOT_A_READER
from telemetry.explorer.site.site import Site
from telemetry.pages.addresses import own_url
from telemetry.pages.charts import timeline
from telemetry.pages.marks import Mark, record_marks

_REFRESH_SECONDS = 2
_SEE_OTHER = 303


def routes(site: Site) -> list[Route]:
    """Return the routes."""

    @require(Right.SEALED)
    async def overview(request: Request) -> Response:
        session = session_of(request)
        return await site.turns.run(session, _page, site, request, session)

    @require(Right.SEALED)
    async def filling(request: Request) -> Response:
        if not site.index.state.is_filling:
            return RedirectResponse("/", _SEE_OTHER)
        return site.pages.page(request, "filling.html", refresh=_REFRESH_SECONDS)

    return [Route("/", overview, methods=["GET"]), Route("/filling", filling, methods=["GET"])]


def _page(site: Site, request: Request, session: Session) -> Response:
    seen = site.index.overview(with_content=session.is_open)
    state = site.index.state
    return site.pages.page(
        request,
        "overview.html",
        overview=seen,
        readers=[(each, _marks(each)) for each in seen.readers],
        concerns=_concerns(seen),
        last=site.desk.verifications.last(),
        damages=state.damaged + state.foreign_damaged,
        absence=absence_chart(seen),
        activity=timeline(seen.days, title="Events a day") if seen.days else None,
    )


def _marks(reader: Reader) -> tuple[Mark, ...]:
    marks = record_marks(reader.proven, is_sealed=reader.is_sealed)
    return marks if reader.is_of_reader else (*marks, NOT_A_READER)


def _concerns(seen: Overview) -> list[tuple[str, int, str]]:
    """Return what deserves a look: in words, how often, and the address of the search that shows it."""
    found = [
        ("not proven: a trusted key signed something else", seen.refuted, own_url("/search", proven="no")),
        ("pending: no checkpoint proves them yet", seen.pending, own_url("/search", proven="pending")),
        ("not judged: no key is trusted", seen.not_judged, own_url("/search", proven="not judged")),
        ("foreign: the trail should not have them", seen.foreign, own_url("/search", foreign="1")),
    ]
    return [concern for concern in found if concern[1]]
