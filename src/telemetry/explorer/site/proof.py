"""Starts the proof and the life line of an event."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from telemetry.exceptions import BackpressureError, ConfigurationError
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.route import require
from telemetry.explorer.access.visit import session_of
from telemetry.explorer.site.jobs import refused_start
from telemetry.explorer.site.site import Site

_SEE_OTHER = 303


def routes(site: Site) -> list[Route]:
    """Return the routes."""

    @require(Right.SEALED)
    async def verify(request: Request) -> Response:
        try:
            job = site.desk.prove(request.path_params["event_id"], person=session_of(request).person)
        except (ConfigurationError, BackpressureError) as exc:
            raise refused_start(exc) from exc
        return RedirectResponse(f"/jobs/{job.number}", _SEE_OTHER)

    @require(Right.SEALED)
    async def trace(request: Request) -> Response:
        try:
            job = site.desk.follow(request.path_params["event_id"], person=session_of(request).person)
        except (ConfigurationError, BackpressureError) as exc:
            raise refused_start(exc) from exc
        return RedirectResponse(f"/jobs/{job.number}", _SEE_OTHER)

    return [
        Route("/events/{event_id}/verify", verify, methods=["POST"]),
        Route("/events/{event_id}/trace", trace, methods=["POST"]),
    ]
