"""Parts that an application's own tests may use: captured events, an embedded Kafka, a fault suite, and what a new provider must pass.

Each is loaded on first use, so importing this package pulls in neither pytest nor any SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.system.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from telemetry.testing.captured.capture import capture_events, memory_events
    from telemetry.testing.captured.captured_events import CapturedEvents
    from telemetry.testing.contracts.encryption import EncryptionProviderContract
    from telemetry.testing.contracts.storage import StorageProviderContract
    from telemetry.testing.embedded_kafka import EmbeddedKafka
    from telemetry.testing.faults.suite import run_faults

__all__ = [
    "CapturedEvents",
    "EmbeddedKafka",
    "EncryptionProviderContract",
    "StorageProviderContract",
    "capture_events",
    "memory_events",
    "run_faults",
]

_HOMES = {
    "CapturedEvents": "telemetry.testing.captured.captured_events",
    "EmbeddedKafka": "telemetry.testing.embedded_kafka",
    "EncryptionProviderContract": "telemetry.testing.contracts.encryption",
    "StorageProviderContract": "telemetry.testing.contracts.storage",
    "capture_events": "telemetry.testing.captured.capture",
    "memory_events": "telemetry.testing.captured.capture",
    "run_faults": "telemetry.testing.faults.suite",
}


__getattr__ = lazy_exports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
