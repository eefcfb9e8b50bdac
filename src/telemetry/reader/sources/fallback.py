"""Reads raw records from a fallback store: sealed objects, and those of earlier versions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from telemetry.encryption.storage_keys import StorageKeys
from telemetry.exceptions import (
    EncryptionError,
    FormatError,
    KeyNotFoundError,
    StorageAccessDeniedError,
    StorageLimitError,
    StorageNotFoundError,
    TelemetryError,
    VerificationError,
)
from telemetry.format.objects.fallback_object import PlainObjectReader
from telemetry.format.objects.sealed_object import LEAF_BYTES, OBJECT_PURPOSE
from telemetry.format.objects.sealed_reader import SealedObjectReader, require_sealed_name
from telemetry.format.objects.stored_name import REJECTED, SEALED, SHELVES, WAITING, StoredName, parse_stored_name
from telemetry.reader.entry import DamagedRecord, HeldEvents, Place, RawRecord
from telemetry.reader.sources.lines import MAX_LINE_BYTES, damaged_line, numbered_lines, raw_record, read_line
from telemetry.storage import StorageProvider

Stored = RawRecord | DamagedRecord | HeldEvents


class FallbackSource:
    """The objects of a topic as a stream of raw records, oldest object first.

    Never more of an object is in memory than a part of it. One that cannot be read or opened is a damaged record with
    the reason, and the others are read.

    Args:
        store: The fallback store.
        topic: Topic of the objects.
        rejected: Whether to read the objects under ``rejected/`` too.
        keys: Open the sealed objects, from ``opened_storage_keys(config)``; None to open none.
    """

    def __init__(
        self, store: StorageProvider, *, topic: str, rejected: bool = True, keys: StorageKeys | None = None
    ) -> None:
        self._store = store
        self._topic = topic
        self._keys = keys
        folders = (WAITING, REJECTED) if rejected else (WAITING,)
        self._prefixes = [shelf.below(folder, f"{topic}/") for shelf in SHELVES for folder in folders]

    def __iter__(self) -> Iterator[RawRecord | DamagedRecord]:
        """Yield the records; a damaged object yields a damaged record, then the records that are left of it."""
        for found in self._all():
            yield _unopened(found) if isinstance(found, HeldEvents) else found

    def with_held(self) -> Iterator[Stored]:
        """Yield the records; of a sealed object that no key opens, what its header says of its events.

        A verifier needs no key for that: it compares the leaf hashes with the signed trees.
        """
        return self._all()

    def names(self) -> Iterator[str]:
        """Yield the names of the objects, in the order in which they are read."""
        for prefix in self._prefixes:
            for stored in self._store.list(prefix):
                if parse_stored_name(stored.name) is not None:
                    yield stored.name

    def object(self, name: str) -> Iterator[Stored]:
        """Yield the records of one object; nothing where it is gone, because it was replayed.

        Args:
            name: A name from :meth:`names`.

        Raises:
            FormatError: No object of the trail is called so.
        """
        parsed = parse_stored_name(name)
        if parsed is None:
            message = f"{name[:400]!r} is not the name of a fallback object"
            raise FormatError(message)
        return self._one(name, parsed)

    def describe(self) -> dict[str, Any]:
        """Return what is read, for the event that records the read."""
        return {"kind": "fallback", "store": type(self._store).__name__, "topic": self._topic}

    def _all(self) -> Iterator[Stored]:
        for name in self.names():
            yield from self.object(name)

    def _one(self, name: str, parsed: StoredName) -> Iterator[Stored]:
        try:
            yield from self._sealed(name, parsed) if parsed.shelf is SEALED else self._plain(name)
        except StorageNotFoundError:
            # It was replayed since the listing: its records are on the topic.
            return
        except (FormatError, VerificationError, StorageAccessDeniedError, StorageLimitError) as exc:
            # One object must not hide the others.
            yield self._damaged(name, exc)

    def _sealed(self, name: str, parsed: StoredName) -> Iterator[Stored]:
        reader = SealedObjectReader(self._store.stream(name))
        require_sealed_name(reader.header, parsed.object_name)
        try:
            key = self._open_key(reader)
        except EncryptionError as exc:
            yield from self._held(name, reader, exc)
            return
        for number, record in enumerate(reader.records(key), start=2):
            yield raw_record(record, Place(self._topic, offset=number, name=name))

    def _open_key(self, reader: SealedObjectReader) -> bytes:
        if self._keys is None:
            message = "the object is sealed, and is read without a key; give the storage secret, or read with the right to unwrap"
            raise KeyNotFoundError(message)
        return self._keys.open(reader.header.key, OBJECT_PURPOSE)

    def _held(self, name: str, reader: SealedObjectReader, error: EncryptionError) -> Iterator[Stored]:
        header, leaves = reader.header, memoryview(reader.leaves)
        # The signed header names the digest of what is sealed: true leaves over other content are no held events.
        reader.require_intact()
        if header.runs is None or not header.runs:
            yield self._damaged(name, error)
            return
        for run in header.runs:
            size = (run.last - run.first + 1) * LEAF_BYTES
            yield HeldEvents(
                producer=header.producer,
                first=run.first,
                leaves=bytes(leaves[:size]),
                place=Place(self._topic, name=name),
                signer=header.signer or "",
                signed=header.signed_text,
                signature=header.signature or b"",
            )
            leaves = leaves[size:]

    def _plain(self, name: str) -> Iterator[Stored]:
        # Read twice: the records of a damaged object are yielded all the same, after the damage was named.
        try:
            for _ in PlainObjectReader(self._store.stream(name)).records():
                pass
        except (FormatError, VerificationError) as exc:
            yield self._damaged(name, exc)
            yield from self._left(name)
            return
        reader = PlainObjectReader(self._store.stream(name))
        for number, record in enumerate(reader.records(), start=2):
            yield raw_record(record, Place(self._topic, offset=number, name=name))

    def _left(self, name: str) -> Iterator[Stored]:
        """Yield the records of a damaged object: each has its own seal, and one altered byte must not hide the others."""
        for number, line in numbered_lines(self._store.stream(name)):
            place = Place(self._topic, offset=number, name=name)
            if len(line) > MAX_LINE_BYTES:
                yield damaged_line(b"", place, f"the line is longer than {MAX_LINE_BYTES} bytes")
            elif number > 1:
                yield read_line(line, place)

    def _damaged(self, name: str, error: TelemetryError) -> DamagedRecord:
        place = Place(self._topic, name=name)
        return DamagedRecord(place, error, RawRecord(None, None, place))


def _unopened(held: HeldEvents) -> DamagedRecord:
    message = (
        f"the object is sealed, and no key here opens it: {len(held.leaves) // LEAF_BYTES} events; give the storage secret, "
        "or read with the right to unwrap"
    )
    return DamagedRecord(held.place, KeyNotFoundError(message), RawRecord(None, None, held.place))
