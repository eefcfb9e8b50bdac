"""Creates the key service that a configuration names."""

from __future__ import annotations

from telemetry.config import EncryptionConfig
from telemetry.config.builtins import ENCRYPTION
from telemetry.config.provider_table import ProviderFactory
from telemetry.encryption.provider import EncryptionProvider


class EncryptionProviderFactory(ProviderFactory[EncryptionProvider, EncryptionConfig]):
    """Creates the ``EncryptionProvider`` that an ``EncryptionConfig`` names.

    Third parties register a class, or announce it as an entry point of the group ``telemetry.encryption_providers``.
    """

    table = ENCRYPTION
    base_config = EncryptionConfig
