"""Calls key services, and keeps the data keys that they wrap."""

from telemetry.encryption.context import canonical
from telemetry.encryption.factory import EncryptionProviderFactory
from telemetry.encryption.provider import DATA_KEY_BYTES, Context, DataKey, EncryptionProvider

__all__ = ["DATA_KEY_BYTES", "Context", "DataKey", "EncryptionProvider", "EncryptionProviderFactory", "canonical"]
