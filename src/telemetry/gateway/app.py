"""Builds the ASGI application of the gateway out of its routes and bounds."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from telemetry.gateway.authentication import Authentication
from telemetry.gateway.front import Front
from telemetry.gateway.gateway import Gateway
from telemetry.gateway.observed import health
from telemetry.gateway.problems import problem_response
from telemetry.gateway.routes import ROUTES

_NOT_FOUND, _NOT_ALLOWED = 404, 405


def build_app(gateway: Gateway, authentication: Authentication, *, admin: Sequence[BaseRoute] = ()) -> ASGIApp:
    """Return the application.

    Args:
        gateway: What the routes share.
        authentication: Recognizes callers.
        admin: Routes of the admin address beside health.
    """
    seen = [*health.ROUTES, *admin]
    paths: dict[object, str] = {route.endpoint: route.path for route in (*seen, *ROUTES) if isinstance(route, Route)}
    return Front(
        _routed(ROUTES, gateway),
        observed=_routed(seen, gateway),
        gateway=gateway,
        authentication=authentication,
        paths=paths,
    )


def _routed(routes: Sequence[BaseRoute], gateway: Gateway) -> Starlette:
    app = Starlette(routes=routes, exception_handlers={HTTPException: _refuse})
    # A redirect would repeat the host that the caller wrote.
    app.router.redirect_slashes = False
    app.state.gateway = gateway
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    """Answer to a path or a method that does not exist."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    caller = getattr(request.state, "caller", None)
    if caller is not None and status in (_NOT_FOUND, _NOT_ALLOWED):
        request.app.state.gateway.refused(caller, request, "no_such_route")
    detail = "There is nothing at this path, or not with this method. /v1/openapi.json lists what there is."
    response = problem_response(status, detail)
    for name, value in ((error.headers or {}) if isinstance(error, HTTPException) else {}).items():
        response.headers[name] = value
    return response
