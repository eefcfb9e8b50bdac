"""From a configuration to a fallback store."""

from __future__ import annotations

from telemetry.config import StorageConfig
from telemetry.config.builtins import STORAGE
from telemetry.storage.provider import StorageProvider


class StorageProviderFactory:
    """Makes the ``StorageProvider`` that a ``StorageConfig`` names.

    Third parties register a class, or announce it as an entry point of the group ``telemetry.storage_providers``.
    """

    @classmethod
    def register(cls, name: str, provider: type[StorageProvider]) -> None:
        """Make a third party's provider known as ``name``."""
        STORAGE.register(name, provider)

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of all known providers."""
        return STORAGE.names()

    @classmethod
    def config_class(cls, name: str) -> type[StorageConfig]:
        """Return the configuration class of the provider called ``name``; the common one if it is unknown."""
        return STORAGE.config_class(name, StorageConfig)

    @classmethod
    def create(cls, config: StorageConfig) -> StorageProvider:
        """Make the provider that ``config`` names.

        Raises:
            ConfigurationError: Unknown name, or a configuration it cannot use.
            MissingExtraError: Its dependencies are not installed.
        """
        provider: StorageProvider = STORAGE.require(config.provider)(config)
        return provider
