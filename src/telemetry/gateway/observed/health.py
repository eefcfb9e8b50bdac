"""Answers ``/healthz`` and ``/readyz``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


async def healthz(request: Request) -> Response:
    """Answer that the process is alive; nothing else is asked."""
    del request
    return JSONResponse({"status": "ok"})


ROUTES = (Route("/healthz", healthz, methods=["GET"]),)
"""What anyone may ask."""
