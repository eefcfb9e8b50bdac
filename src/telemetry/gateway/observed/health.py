"""Answers ``/healthz`` and ``/readyz``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from telemetry.gateway.gateway import Gateway
from telemetry.gateway.peer import Peer

_UNAVAILABLE = 503


async def healthz(request: Request) -> Response:
    """Answer that the process is alive; nothing else is asked."""
    del request
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Answer whether events are accepted safely now: 200 or 503.

    On the admin address the answer says why not, how the pipeline is, and how the stream of each service is; elsewhere it is
    one word, because names of services and sizes of queues are nobody else's business.
    """
    gateway: Gateway = request.app.state.gateway
    peer: Peer = request.state.peer
    health = gateway.health()
    status = 200 if health.ready else _UNAVAILABLE
    if not peer.is_admin:
        return JSONResponse({"ready": health.ready}, status_code=status)
    return JSONResponse(health.to_dict() | {"streams": gateway.streams()}, status_code=status)


ROUTES = (Route("/healthz", healthz, methods=["GET"]), Route("/readyz", readyz, methods=["GET"]))
"""What anyone may ask."""
