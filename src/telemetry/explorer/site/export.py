"""Saves exactly the events that a search finds, as CSV or JSON lines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from telemetry.exceptions import ConfigurationError
from telemetry.explorer.access.refused import Refused
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.route import require
from telemetry.explorer.access.session import Session
from telemetry.explorer.access.visit import form_of, session_of
from telemetry.explorer.jobs.event_export import EventExport, ExportFormat
from telemetry.explorer.site.answering.downloads import streamed
from telemetry.explorer.site.answering.problem_text import problem_text
from telemetry.explorer.site.asked.recorded import record_search
from telemetry.explorer.site.asked.sent import read_sent, require_search
from telemetry.explorer.site.site import Site

_BAD = 400


def routes(site: Site) -> list[Route]:
    """Return the routes."""

    @require(Right.EXPORT, content=True)
    async def export(request: Request) -> Response:
        form, session = form_of(request), session_of(request)
        asked = read_sent(form, is_open=session.is_open)
        try:
            kind = ExportFormat(form.get("take-form"))
            search = require_search(asked)
            whole = await site.turns.run(session, EventExport, site.index, search, form=kind)
        except ConfigurationError as exc:
            if asked.search is not None:
                # That it finds nothing, or too much, says what is inside of events, too.
                await record_search(site, session, asked)
            raise Refused(_BAD, "bad_export", problem_text(exc)) from exc
        except ValueError as exc:
            raise Refused(_BAD, "bad_export", "Choose CSV or JSON lines.") from exc
        description = {"form": kind.value, "filters": asked.describe(with_text=site.looks.with_text)}
        # Before the first byte leaves.
        await site.looks.exported(session, description, whole.events)
        name = f"audit-events-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{kind.value}"
        return streamed(_pieces(site, session, whole.pieces()), name=name, media_type=kind.media_type)

    return [Route("/export", export, methods=["POST"])]


async def _pieces(site: Site, session: Session, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Create each piece in a thread when it is this person's turn: a long export keeps nobody waiting."""
    while (piece := await site.turns.run(session, next, pieces, None)) is not None:
        yield piece
