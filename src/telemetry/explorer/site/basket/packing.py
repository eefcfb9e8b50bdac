"""Starts the building of an evidence pack of the basket."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from telemetry.exceptions import BackpressureError, ConfigurationError
from telemetry.explorer.access.refused import Refused
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.route import require
from telemetry.explorer.access.visit import form_of, session_of
from telemetry.explorer.jobs.basket import Basket
from telemetry.explorer.jobs.pack import request_of
from telemetry.explorer.site.answering.problem_text import problem_text
from telemetry.explorer.site.basket.screen import basket_page
from telemetry.explorer.site.jobs import refused_start
from telemetry.explorer.site.site import Site

_BAD, _SEE_OTHER = 400, 303


def routes(site: Site) -> list[Route]:
    """Return the routes."""

    @require(Right.EXPORT, content=True)
    async def pack(request: Request) -> Response:
        session = session_of(request)
        basket = site.desk.baskets.of(session)
        content = form_of(request).get("take-content", "open") == "open"
        if site.desk.missing_for_packs is not None:
            raise Refused(_BAD, "no_packs", str(site.desk.missing_for_packs))
        try:
            wanted = request_of(basket, session=session, source=site.desk.source, content=content)
        except ConfigurationError as exc:
            return await basket_page(site, request, problem=problem_text(exc))
        # Before anything is built: a pack that nobody knows of must not exist.
        await site.looks.exported(session, _described(basket, content=content), len(basket))
        try:
            job = site.desk.pack(wanted, person=session.person, drawn_from=_population(basket, is_drawn=not wanted.ids))
        except (ConfigurationError, BackpressureError) as exc:
            raise refused_start(exc) from exc
        return RedirectResponse(f"/jobs/{job.number}", _SEE_OTHER)

    return [Route("/basket/pack", pack, methods=["POST"])]


def _described(basket: Basket, *, content: bool) -> dict[str, Any]:
    chosen = [choice.describe() for choice in basket.choices]
    return {"form": "evidence pack", "content": content, "chosen": chosen, "ids": list(basket.ids)}


def _population(basket: Basket, *, is_drawn: bool) -> int | None:
    drawing = basket.drawing
    return drawing.population if drawing is not None and is_drawn else None
