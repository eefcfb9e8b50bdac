"""Builds the application of the explorer out of its screens."""

from __future__ import annotations

from starlette.types import ASGIApp

from telemetry.explorer.access.guarded import guarded_app
from telemetry.explorer.site import account, assets, event, history, overview, search
from telemetry.explorer.site.site import Site

_SCREENS = (overview, search, event, history, account, assets)


def build_app(site: Site) -> ASGIApp:
    """Return the application; behind its door, each route lets in those who may use it.

    Args:
        site: What the screens share.

    Raises:
        TypeError: A route does not say who may use it.
    """
    return guarded_app(site.access, [route for screen in _SCREENS for route in screen.routes(site)], site.pages)
