"""Keeps whole objects in a folder or a cloud store."""

from telemetry.storage.factory import StorageProviderFactory
from telemetry.storage.lease import Lock
from telemetry.storage.names import require_name, storable_name
from telemetry.storage.provider import StorageProvider, StoredObject

__all__ = ["Lock", "StorageProvider", "StorageProviderFactory", "StoredObject", "require_name", "storable_name"]
