"""Builds the application of the explorer out of its screens."""

from __future__ import annotations

from starlette.types import ASGIApp

from telemetry.explorer.access.guarded import guarded_app
from telemetry.explorer.site import (
    access_log,
    account,
    assets,
    event,
    export,
    history,
    jobs,
    overview,
    proof,
    search,
    verification,
)
from telemetry.explorer.site.basket import packing, screen
from telemetry.explorer.site.site import Site

_SCREENS = (
    *(overview, search, event, history, account, assets),
    *(verification, proof, jobs, screen, packing, export, access_log),
)


def build_app(site: Site) -> ASGIApp:
    """Return the application; behind its door, each route lets in those who may use it.

    Args:
        site: What the screens share.

    Raises:
        TypeError: A route does not say who may use it.
    """
    return guarded_app(site.access, [route for each in _SCREENS for route in each.routes(site)], site.pages)
