"""From a configuration to a fallback store."""

from __future__ import annotations

from typing import ClassVar

from telemetry.catalog import ProviderCatalog
from telemetry.config import StorageConfig
from telemetry.storage.provider import StorageProvider


class StorageProviderFactory:
    """Makes the ``StorageProvider`` that a ``StorageConfig`` names.

    Third parties register a class, or announce it as an entry point of the group ``telemetry.storage_providers``.
    """

    _catalog: ClassVar[ProviderCatalog[StorageProvider]] = ProviderCatalog(
        StorageProvider,  # type: ignore[type-abstract]  # only subclasses are made
        group="telemetry.storage_providers",
        builtin={
            "aws_s3": "telemetry.storage.aws_s3:AwsS3Provider",
            "azure_blob": "telemetry.storage.azure_blob:AzureBlobProvider",
            "gcp_storage": "telemetry.storage.gcp_storage:GcpStorageProvider",
            "local_file": "telemetry.storage.local_file:LocalFileProvider",
        },
    )

    @classmethod
    def register(cls, name: str, provider: type[StorageProvider]) -> None:
        """Make a third party's provider known as ``name``."""
        cls._catalog.register(name, provider)

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of all known providers."""
        return cls._catalog.names()

    @classmethod
    def config_class(cls, name: str) -> type[StorageConfig]:
        """Return the configuration class of the provider called ``name``; the common one if it is unknown."""
        found = None if cls._catalog.is_builtin(name) else cls._catalog.find(name)
        return found.config_class if found else StorageConfig

    @classmethod
    def create(cls, config: StorageConfig) -> StorageProvider:
        """Make the provider that ``config`` names.

        Raises:
            ConfigurationError: Unknown name, or a configuration it cannot use.
            MissingExtraError: Its dependencies are not installed.
        """
        return cls._catalog.require(config.provider)(config)
