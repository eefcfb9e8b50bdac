"""Creates the fallback store that a configuration names."""

from __future__ import annotations

from telemetry.config import StorageConfig
from telemetry.config.builtins import STORAGE
from telemetry.config.provider_table import ProviderFactory
from telemetry.storage.provider import StorageProvider


class StorageProviderFactory(ProviderFactory[StorageProvider, StorageConfig]):
    """Creates the ``StorageProvider`` that a ``StorageConfig`` names.

    Third parties register a class, or announce it as an entry point of the group ``telemetry.storage_providers``.
    """

    table = STORAGE
    base_config = StorageConfig
