"""Builds the ASGI application of the gateway out of its routes and bounds."""

from __future__ import annotations

from starlette.applications import Starlette

from telemetry.gateway.gateway import Gateway
from telemetry.gateway.observed import health
from telemetry.gateway.routes import ROUTES


def build_app(gateway: Gateway) -> Starlette:
    """Return the application.

    Args:
        gateway: What the routes share.
    """
    app = Starlette(routes=[*health.ROUTES, *ROUTES])
    app.state.gateway = gateway
    return app
