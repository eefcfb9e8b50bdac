"""Encrypted audit logging: sealed in the process, sent to Kafka, never silently lost, verifiable offline.

>>> from telemetry import Telemetry, TelemetryConfig  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telemetry.version import __version__

if TYPE_CHECKING:
    from telemetry.client import Telemetry
    from telemetry.config import TelemetryConfig
    from telemetry.trail.trail import open_trail

__all__ = ["Telemetry", "TelemetryConfig", "__version__", "open_trail"]

_HOMES = {
    "Telemetry": "telemetry.client",
    "TelemetryConfig": "telemetry.config",
    "open_trail": "telemetry.trail.trail",
}


def __getattr__(name: str) -> Any:
    # Loaded on first use: importing the package must cost next to nothing.
    if name in _HOMES:
        from importlib import import_module  # noqa: PLC0415 - the point of this function

        found = getattr(import_module(_HOMES[name]), name)
        globals()[name] = found
        return found
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
