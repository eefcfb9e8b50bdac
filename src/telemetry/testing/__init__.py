"""Parts that an application's own tests may use: an embedded Kafka, a fault suite, and what a new provider must pass.

Each is loaded on first use, so importing this package pulls in neither pytest nor any SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.system.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from telemetry.testing.contracts.encryption import EncryptionProviderContract
    from telemetry.testing.contracts.storage import StorageProviderContract
    from telemetry.testing.embedded_kafka import EmbeddedKafka
    from telemetry.testing.faults.suite import run_faults

__all__ = ["EmbeddedKafka", "EncryptionProviderContract", "StorageProviderContract", "run_faults"]

_HOMES = {
    "EmbeddedKafka": "telemetry.testing.embedded_kafka",
    "EncryptionProviderContract": "telemetry.testing.contracts.encryption",
    "StorageProviderContract": "telemetry.testing.contracts.storage",
    "run_faults": "telemetry.testing.faults.suite",
}


__getattr__ = lazy_exports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
