"""Lists the routes of the gateway; each module in here offers some as ``ROUTES``."""

from __future__ import annotations

from starlette.routing import BaseRoute

from telemetry.gateway.routes import events, kubernetes, openapi, otlp, preset

ROUTES: tuple[BaseRoute, ...] = (
    *events.ROUTES,
    *kubernetes.ROUTES,
    *otlp.ROUTES,
    *preset.ROUTES,
    *openapi.ROUTES,
)
"""All routes that need a caller, below ``/v1/``."""
