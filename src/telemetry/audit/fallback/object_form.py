"""Gives the records of an object the form in which a process stores them: sealed, or as lines where it has no key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from telemetry.config import AuditConfig
from telemetry.encryption.storage_keys import StorageKeys
from telemetry.format.objects.fallback_object import encode_object
from telemetry.format.objects.record_lines import StoredRecord
from telemetry.format.objects.sealed_object import OBJECT_PURPOSE, SEALED_VERSION, seal_object
from telemetry.format.objects.stored_name import PLAIN, SEALED, Shelf
from telemetry.format.proof.signed_note import Signer


class ObjectForm(Protocol):
    """Encodes objects for one shelf of a store."""

    @property
    def shelf(self) -> Shelf:
        """The part of the store in which they are put."""

    def encode(self, records: Sequence[StoredRecord], *, topic: str, producer: str, reason: str) -> bytes:
        """Return the object of records of one producer.

        Raises:
            EncryptionError: There is no key to seal it under now.
            FormatError: A bound is exceeded.
        """


class PlainForm:
    """Lines of records (format version 1), for a service that has neither encryption nor a storage secret."""

    shelf = PLAIN

    def encode(self, records: Sequence[StoredRecord], *, topic: str, producer: str, reason: str) -> bytes:
        """Return the object; see :class:`ObjectForm`."""
        return encode_object(records, topic=topic, producer=producer, reason=reason)


class SealedForm:
    """Sealed objects (format version 2).

    Args:
        keys: Give each object a content key of its own.
        signer: Signs the headers; None where the service has no signing key.
    """

    shelf = SEALED

    def __init__(self, keys: StorageKeys, signer: Signer | None) -> None:
        self._keys = keys
        self._signer = signer

    def encode(self, records: Sequence[StoredRecord], *, topic: str, producer: str, reason: str) -> bytes:
        """Return the object; see :class:`ObjectForm`."""
        key = self._keys.create(OBJECT_PURPOSE)
        return seal_object(records, topic=topic, producer=producer, reason=reason, key=key, signer=self._signer)


def object_form(config: AuditConfig, keys: StorageKeys, signer: Signer | None) -> ObjectForm:
    """Return the form in which a process with these keys stores.

    Args:
        config: Says which version of the format is written.
        keys: Its storage keys.
        signer: Its signing key, if it has one.
    """
    is_sealed = config.fallback_object_format == SEALED_VERSION and keys.can_create
    return SealedForm(keys, signer) if is_sealed else PlainForm()
