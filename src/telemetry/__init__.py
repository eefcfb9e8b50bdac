"""Encrypted audit logging: sealed in the process, sent to Kafka, never silently lost, verifiable offline.

>>> from telemetry import Telemetry, TelemetryConfig  # doctest: +SKIP
"""

from __future__ import annotations

from telemetry.system.lazy_exports import lazy_exports
from telemetry.version import __version__

TYPE_CHECKING = False  # as in lazy_exports: `typing` is not loaded for the sake of this flag
if TYPE_CHECKING:
    from telemetry.audited_calls import audited
    from telemetry.client import Telemetry
    from telemetry.config import TelemetryConfig
    from telemetry.context import audit_context
    from telemetry.trail.trail import open_trail

__all__ = ["Telemetry", "TelemetryConfig", "__version__", "audit_context", "audited", "open_trail"]

_HOMES = {
    "Telemetry": "telemetry.client",
    "TelemetryConfig": "telemetry.config.telemetry",
    "audit_context": "telemetry.context",
    "audited": "telemetry.audited_calls",
    "open_trail": "telemetry.trail.trail",
}

__getattr__ = lazy_exports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
