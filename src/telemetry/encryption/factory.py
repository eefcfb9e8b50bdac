"""From a configuration to a key service."""

from __future__ import annotations

from typing import ClassVar

from telemetry.catalog import ProviderCatalog
from telemetry.config import EncryptionConfig
from telemetry.encryption.provider import EncryptionProvider


class EncryptionProviderFactory:
    """Makes the ``EncryptionProvider`` that an ``EncryptionConfig`` names.

    Third parties register a class, or announce it as an entry point of the group ``telemetry.encryption_providers``.
    """

    _catalog: ClassVar[ProviderCatalog[EncryptionProvider]] = ProviderCatalog(
        EncryptionProvider,  # type: ignore[type-abstract]  # only subclasses are made
        group="telemetry.encryption_providers",
        builtin={
            "aws_kms": "telemetry.encryption.aws_kms:AwsKmsProvider",
            "azure_keyvault": "telemetry.encryption.azure_keyvault:AzureKeyVaultProvider",
            "gcp_kms": "telemetry.encryption.gcp_kms:GcpKmsProvider",
            "local_key": "telemetry.encryption.local_key:LocalKeyProvider",
        },
    )

    @classmethod
    def register(cls, name: str, provider: type[EncryptionProvider]) -> None:
        """Make a third party's provider known as ``name``."""
        cls._catalog.register(name, provider)

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of all known providers."""
        return cls._catalog.names()

    @classmethod
    def config_class(cls, name: str) -> type[EncryptionConfig]:
        """Return the configuration class of the provider called ``name``; the common one if it is unknown."""
        found = None if cls._catalog.is_builtin(name) else cls._catalog.find(name)
        return found.config_class if found else EncryptionConfig

    @classmethod
    def create(cls, config: EncryptionConfig) -> EncryptionProvider:
        """Make the provider that ``config`` names.

        Raises:
            ConfigurationError: Unknown name, or a configuration it cannot use.
            MissingExtraError: Its dependencies are not installed.
        """
        return cls._catalog.require(config.provider)(config)
