"""Audits a Django project: who did what in which request, who logged in, and what changed in the database.

>>> INSTALLED_APPS += ["telemetry.integrations.django"]  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from telemetry.integrations.django.changes.spec import audited_model
    from telemetry.integrations.django.channels import AuditChannels
    from telemetry.integrations.django.lifespan import AuditLifespan
    from telemetry.integrations.django.middleware import AuditMiddleware

__all__ = ["AuditChannels", "AuditLifespan", "AuditMiddleware", "audited_model"]

# Loaded when they are asked for: Django imports this package before its settings and models are ready.
_HOMES = {
    "AuditChannels": "telemetry.integrations.django.channels",
    "AuditLifespan": "telemetry.integrations.django.lifespan",
    "AuditMiddleware": "telemetry.integrations.django.middleware",
    "audited_model": "telemetry.integrations.django.changes.spec",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(home), name)
