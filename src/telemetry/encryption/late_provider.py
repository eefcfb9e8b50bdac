"""A key service that is created when it is first asked: reading a store asks it only where there is something sealed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from telemetry.config import AuditConfig, EncryptionConfig, TelemetryConfig
from telemetry.encryption.factory import EncryptionProviderFactory
from telemetry.encryption.provider import Context, DataKey, EncryptionProvider
from telemetry.encryption.storage_keys import StorageKeys, storage_keys_of


@contextmanager
def opened_storage_keys(config: TelemetryConfig | AuditConfig) -> Iterator[StorageKeys]:
    """Yield what opens the stored objects of a service, for a program that reads them.

    The storage secret of the configuration opens them, else the signing key or the local key; for what none of these
    opens, the key service is asked.

    Args:
        config: Configuration of the service.
    """
    if isinstance(config, AuditConfig):
        config = TelemetryConfig(audit_config=config)
    encryption = config.audit_config.encryption_config
    with LateProvider(encryption) if encryption is not None else nullcontext() as provider:
        yield storage_keys_of(config, provider=provider)


class LateProvider(EncryptionProvider):
    """Passes every call on to the configured key service, and creates it for the first one.

    Args:
        config: Which key service, and how it is reached.
    """

    def __init__(self, config: EncryptionConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._provider: EncryptionProvider | None = None

    def generate_data_key(self, context: Context) -> DataKey:
        """Generate a data key."""
        return self._created().generate_data_key(context)

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        """Return a data key."""
        return self._created().unwrap(wrapped, key_uri, context)

    def storage_secrets(self) -> tuple[bytes, ...]:
        """Return what is derived from the KEK, where that is possible."""
        return self._created().storage_secrets()

    def check(self) -> None:
        """Try the key service."""
        self._created().check()

    def close(self) -> None:
        """Close the key service, if it was created."""
        with self._lock:
            provider, self._provider = self._provider, None
        if provider is not None:
            provider.close()

    def _created(self) -> EncryptionProvider:
        with self._lock:
            if self._provider is None:
                self._provider = EncryptionProviderFactory.create(self._config)
            return self._provider
