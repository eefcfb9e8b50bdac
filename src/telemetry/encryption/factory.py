"""From a configuration to a key service."""

from __future__ import annotations

from telemetry.config import EncryptionConfig
from telemetry.config.builtins import ENCRYPTION
from telemetry.encryption.provider import EncryptionProvider


class EncryptionProviderFactory:
    """Makes the ``EncryptionProvider`` that an ``EncryptionConfig`` names.

    Third parties register a class, or announce it as an entry point of the group ``telemetry.encryption_providers``.
    """

    @classmethod
    def register(cls, name: str, provider: type[EncryptionProvider]) -> None:
        """Make a third party's provider known as ``name``."""
        ENCRYPTION.register(name, provider)

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of all known providers."""
        return ENCRYPTION.names()

    @classmethod
    def config_class(cls, name: str) -> type[EncryptionConfig]:
        """Return the configuration class of the provider called ``name``; the common one if it is unknown."""
        return ENCRYPTION.config_class(name, EncryptionConfig)

    @classmethod
    def create(cls, config: EncryptionConfig) -> EncryptionProvider:
        """Make the provider that ``config`` names.

        Raises:
            ConfigurationError: Unknown name, or a configuration it cannot use.
            MissingExtraError: Its dependencies are not installed.
        """
        provider: EncryptionProvider = ENCRYPTION.require(config.provider)(config)
        return provider
