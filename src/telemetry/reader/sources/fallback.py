"""Reads raw records from a fallback store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from telemetry.exceptions import FormatError, StorageNotFoundError, VerificationError
from telemetry.format.objects.fallback_object import decode_object
from telemetry.format.objects.stored_name import REJECTED, WAITING, below, parse_stored_name
from telemetry.reader.entry import DamagedRecord, Place, RawRecord
from telemetry.reader.sources.lines import read_line
from telemetry.storage import StorageProvider


class FallbackSource:
    """The objects of a topic as a stream of raw records, oldest object first.

    Args:
        store: The fallback store.
        topic: Topic of the objects.
        rejected: Whether to read the objects under ``rejected/`` too.
    """

    def __init__(self, store: StorageProvider, *, topic: str, rejected: bool = True) -> None:
        self._store = store
        self._topic = topic
        self._prefixes = [below(folder, f"{topic}/") for folder in ((WAITING, REJECTED) if rejected else (WAITING,))]

    def __iter__(self) -> Iterator[RawRecord | DamagedRecord]:
        """Yield the records; a damaged object yields a damaged record, then the records that are left of it."""
        for prefix in self._prefixes:
            for stored in self._store.list(prefix):
                if parse_stored_name(stored.name) is not None:
                    yield from self._records(stored.name)

    def describe(self) -> dict[str, Any]:
        """Return what is read, for the event that records the read."""
        return {"kind": "fallback", "store": type(self._store).__name__, "topic": self._topic}

    def _records(self, name: str) -> Iterator[RawRecord | DamagedRecord]:
        try:
            content = self._store.get(name)
        except StorageNotFoundError:
            # It was replayed since the listing: its records are on the topic.
            return
        try:
            records = decode_object(content).records
        except (FormatError, VerificationError) as exc:
            place = Place(self._topic, name=name)
            yield DamagedRecord(place, exc, RawRecord(None, None, place))
            yield from self._left(name, content)
            return
        for line, record in enumerate(records, start=2):
            yield RawRecord(record.key, record.value, Place(self._topic, offset=line, name=name))

    def _left(self, name: str, content: bytes) -> Iterator[RawRecord | DamagedRecord]:
        """Yield the records of a damaged object: each has its own seal, and one altered byte must not hide the others."""
        for number, line in enumerate(content.split(b"\n")[1:], start=2):
            if line.strip():
                yield read_line(line, Place(self._topic, offset=number, name=name))
