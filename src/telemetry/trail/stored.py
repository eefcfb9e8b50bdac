"""Opens the fallback store for those who read it."""

from __future__ import annotations

from contextlib import ExitStack

from telemetry.config import TelemetryConfig
from telemetry.encryption.late_provider import opened_storage_keys
from telemetry.encryption.storage_keys import StorageKeys
from telemetry.reader import FallbackSource
from telemetry.storage import StorageProviderFactory


def open_fallback(config: TelemetryConfig, stack: ExitStack) -> FallbackSource | None:
    """Return the fallback store as a source of records; None if the configuration has none.

    Args:
        config: Names the store, and the keys that open its objects.
        stack: Closes store and key service.
    """
    audit = config.audit_config
    if audit.storage_config is None:
        return None
    store = stack.enter_context(StorageProviderFactory.create(audit.storage_config))
    return FallbackSource(store, topic=audit.kafka_topic, keys=open_storage_keys(config, stack))


def open_storage_keys(config: TelemetryConfig, stack: ExitStack) -> StorageKeys:
    """Return the storage keys of a configuration; its key service is asked only for what no secret opens.

    Args:
        config: Names the keys.
        stack: Closes the key service.
    """
    return stack.enter_context(opened_storage_keys(config))
