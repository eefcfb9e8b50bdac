"""Record the requests of an ASGI application: Starlette, FastAPI, Litestar, Quart or a bare one.

>>> app.add_middleware(AuditMiddleware)  # doctest: +SKIP
"""

from __future__ import annotations

from telemetry.audited_calls import audited
from telemetry.context import audit_context, current_audit_context, update_audit_context
from telemetry.integrations.asgi.lifespan import audit_lifespan
from telemetry.integrations.asgi.middleware import AuditMiddleware
from telemetry.integrations.web.actor import Actor
from telemetry.integrations.web.sampling import Sampling

__all__ = [
    "Actor",
    "AuditMiddleware",
    "Sampling",
    "audit_context",
    "audit_lifespan",
    "audited",
    "current_audit_context",
    "update_audit_context",
]
