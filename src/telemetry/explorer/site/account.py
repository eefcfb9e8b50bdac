"""Asks for the reason of the reading, and for the time zone."""

from __future__ import annotations

from zoneinfo import available_timezones

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from telemetry.exceptions import ConfigurationError
from telemetry.explorer.access.own_path import safe_next
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.route import require
from telemetry.explorer.access.visit import form_of, session_of
from telemetry.explorer.site.site import Site

_SEE_OTHER = 303
_BAD = 400


def routes(site: Site) -> list[Route]:
    """Return the routes."""

    @require(Right.READ)
    async def reason(request: Request) -> Response:
        return site.pages.page(request, "reason.html", next=_next(request), written=site.scope.reason, problem="")

    @require(Right.READ)
    async def give_reason(request: Request) -> Response:
        form = form_of(request)
        try:
            await site.access.give_reason(request, form.get("reason"))
        except ConfigurationError as exc:
            return site.pages.page(
                request,
                "reason.html",
                status=_BAD,
                next=safe_next(form.get("next")),
                written=form.get("reason"),
                problem=_said(exc),
            )
        return RedirectResponse(safe_next(form.get("next")), _SEE_OTHER)

    @require(Right.SEALED)
    async def settings(request: Request) -> Response:
        return site.pages.page(
            request, "settings.html", next=_next(request), written=session_of(request).zone, zones=_zones(), problem=""
        )

    @require(Right.SEALED)
    async def choose(request: Request) -> Response:
        form = form_of(request)
        try:
            session_of(request).choose_zone(form.get("zone"))
        except ConfigurationError as exc:
            return site.pages.page(
                request,
                "settings.html",
                status=_BAD,
                next=safe_next(form.get("next")),
                written=form.get("zone"),
                zones=_zones(),
                problem=_said(exc),
            )
        return RedirectResponse(safe_next(form.get("next")), _SEE_OTHER)

    return [
        Route("/reason", reason, methods=["GET"]),
        Route("/reason", give_reason, methods=["POST"]),
        Route("/settings", settings, methods=["GET"]),
        Route("/settings", choose, methods=["POST"]),
    ]


def _next(request: Request) -> str:
    return safe_next(request.query_params.get("next", "/"))


def _zones() -> list[str]:
    return sorted(available_timezones())


def _said(error: ConfigurationError) -> str:
    return "; ".join(f"{problem.reason}: {problem.remedy}" for problem in error.problems)
