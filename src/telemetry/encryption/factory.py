"""Creates the key service that a configuration names."""

from __future__ import annotations

from telemetry.config import EncryptionConfig
from telemetry.config.builtins import ENCRYPTION
from telemetry.config.provider_table import ProviderFactory
from telemetry.encryption.listed_keys import ListedKeys
from telemetry.encryption.provider import EncryptionProvider


class EncryptionProviderFactory(ProviderFactory[EncryptionProvider, EncryptionConfig]):
    """Creates the ``EncryptionProvider`` that an ``EncryptionConfig`` names.

    Third parties register a class, or announce it as an entry point of the group ``telemetry.encryption_providers``.
    """

    table = ENCRYPTION
    base_config = EncryptionConfig

    @classmethod
    def create(cls, config: EncryptionConfig) -> EncryptionProvider:
        """Create the provider that ``config`` names, and those of its ``previous_keys`` and ``recipients``.

        Raises:
            ConfigurationError: Unknown name, or a configuration that a provider cannot use.
            MissingExtraError: The dependencies of a provider are not installed.
        """
        current = super().create(config)
        if not config.previous_keys and not config.recipients:
            return current
        previous, recipients = (
            [super(EncryptionProviderFactory, cls).create(key) for key in keys]
            for keys in (config.previous_keys, config.recipients)
        )
        return ListedKeys(current, previous, recipients=recipients)
