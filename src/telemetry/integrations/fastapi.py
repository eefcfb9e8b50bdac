"""Records the requests of a FastAPI application: everything of ``telemetry.integrations.asgi`` under one name.

>>> app.add_middleware(AuditMiddleware)  # doctest: +SKIP
"""

from __future__ import annotations

from telemetry.integrations.asgi import (
    Actor,
    AuditMiddleware,
    Sampling,
    audit_context,
    audit_lifespan,
    audited,
    current_audit_context,
    update_audit_context,
)

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
