"""Fallback stores."""

from telemetry.storage.factory import StorageProviderFactory
from telemetry.storage.provider import StorageProvider, StoredObject

__all__ = ["StorageProvider", "StorageProviderFactory", "StoredObject"]
