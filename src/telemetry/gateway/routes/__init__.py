"""Lists the routes of the gateway; each module in here offers some as ``ROUTES``."""

from __future__ import annotations

from starlette.routing import BaseRoute

ROUTES: tuple[BaseRoute, ...] = ()
"""All routes that need a caller, below ``/v1/``."""
