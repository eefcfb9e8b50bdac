"""Lists the objects of a fallback store in all their states, and looks into one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from telemetry.encryption.storage_keys import StorageKeys
from telemetry.exceptions import FormatError, KeyNotFoundError, TamperedError
from telemetry.format.objects.fallback_object import PlainObjectReader, require_own_name
from telemetry.format.objects.record_lines import StoredRecord
from telemetry.format.objects.sealed_object import OBJECT_PURPOSE, SealedHeader
from telemetry.format.objects.sealed_reader import SealedObjectReader, require_sealed_name
from telemetry.format.objects.stored_name import (
    QUARANTINE,
    REJECTED,
    SEALED,
    SHELVES,
    WAITING,
    ObjectName,
)
from telemetry.format.proof.signed_note import PublicKey
from telemetry.storage import StorageProvider, StoredObject

_STATES = (("waiting", WAITING), ("rejected", REJECTED), ("damaged", QUARANTINE))


class ListedObject(NamedTuple):
    """An object of the store.

    Attributes:
        stored: Full name and size.
        state: ``waiting``, ``rejected`` or ``damaged``.
        parts: The parts of its name; None if it is not one of this library.
    """

    stored: StoredObject
    state: str
    parts: ObjectName | None

    @property
    def text(self) -> str:
        """Its name as text: that of a file may have bytes that are none, which are shown as escapes."""
        return self.stored.name.encode("utf-8", "backslashreplace").decode()


def stored_objects(store: StorageProvider, topic: str) -> Iterator[ListedObject]:
    """Yield the objects of a topic: those that wait first, then the rejected and the damaged ones."""
    for state, folder in _STATES:
        for shelf in SHELVES:
            for stored in store.list(shelf.below(folder, f"{topic}/")):
                parts = shelf.parse(stored.name.removeprefix(shelf.below(folder, "")))
                yield ListedObject(stored, state, parts)


class ObjectView:
    """One object of either format; its records are read once.

    Args:
        parts: Its bytes.
        name: Its name, which says its format.
        keys: Open a sealed one; None to do without.

    Raises:
        FormatError: It is no object of this library.
        TamperedError: Its header was altered.
    """

    def __init__(self, parts: Iterable[bytes], *, name: str, keys: StorageKeys | None = None) -> None:
        self._reader: SealedObjectReader | PlainObjectReader
        self._reader = SealedObjectReader(parts) if name.startswith(SEALED.root) else PlainObjectReader(parts)
        self._keys = keys

    def summary(self) -> dict[str, Any]:
        """Return what its header says, for people."""
        header = self._reader.header
        shown = ("topic", "producer", "reason", "first_sequence", "last_sequence", "count")
        facts: dict[str, Any] = {name: getattr(header, name) for name in shown}
        if isinstance(header, SealedHeader):
            key = header.key
            more = {"storage_secret": key.key_id, "keyid": key.key_uri, "signer": header.signer}
            return {"format_version": 2, **facts, **more}
        return {**asdict(header), **facts}

    def records(self) -> Iterator[StoredRecord]:
        """Yield its records.

        Raises:
            EncryptionError: Its key is not at hand.
            FormatError: A line is not a record.
            TamperedError: It was altered.
        """
        if isinstance(self._reader, PlainObjectReader):
            yield from self._reader.records()
            return
        if self._keys is None:
            message = "the object is sealed, and no key was given"
            raise KeyNotFoundError(message)
        yield from self._reader.records(self._keys.open(self._reader.header.key, OBJECT_PURPOSE))

    def require_own_name(self, listed: ListedObject) -> None:
        """Check that it has the name that it was created with.

        Raises:
            FormatError: Its name is not one of this library.
            TamperedError: It was renamed or exchanged.
        """
        # A quarantined object may be there because its name and its header disagree; it is shown all the same.
        if listed.state == "damaged":
            return
        if listed.parts is None:
            message = "its name is not one of this library"
            raise FormatError(message)
        if isinstance(self._reader, PlainObjectReader):
            require_own_name(self._reader.header, listed.parts)
        else:
            require_sealed_name(self._reader.header, listed.parts)

    def require_intact(self, signers: Sequence[PublicKey]) -> None:
        """Check its digests, and the signature of one that is sealed.

        Args:
            signers: Public keys of the service; empty to check no signature.

        Raises:
            FormatError: A line is not a record.
            TamperedError: It was altered, or none of these keys signed it.
        """
        if isinstance(self._reader, PlainObjectReader):
            for _ in self._reader.records():
                pass
            return
        self._reader.require_intact()
        if signers and self._reader.header.signing_key(signers) is None:
            message = f"it is signed by {self._reader.header.signer or 'nobody'}, and not by the configured key"
            raise TamperedError(message)
