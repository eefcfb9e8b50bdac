"""Reads raw records from a fallback store."""

from __future__ import annotations

from collections.abc import Iterator

from telemetry.exceptions import FormatError, StorageNotFoundError, VerificationError
from telemetry.format.fallback_object import decode_object, parse_object_name
from telemetry.reader.entry import DamagedRecord, Place, RawRecord
from telemetry.storage import StorageProvider

REJECTED = "rejected/"


class FallbackSource:
    """The objects of a topic as a stream of raw records, oldest object first.

    Args:
        store: Where the objects are.
        topic: Which objects.
        rejected: Read those under ``rejected/`` too.
    """

    def __init__(self, store: StorageProvider, *, topic: str, rejected: bool = True) -> None:
        self._store = store
        self._topic = topic
        self._prefixes = [f"{topic}/", *([f"{REJECTED}{topic}/"] if rejected else [])]

    def __iter__(self) -> Iterator[RawRecord | DamagedRecord]:
        """Yield the records; an object that is damaged is yielded as one damaged record."""
        for prefix in self._prefixes:
            for stored in self._store.list(prefix):
                if parse_object_name(stored.name.removeprefix(REJECTED)) is not None:
                    yield from self._records(stored.name)

    def _records(self, name: str) -> Iterator[RawRecord | DamagedRecord]:
        try:
            found = decode_object(self._store.get(name))
        except StorageNotFoundError:
            # It was replayed since the listing.
            return
        except (FormatError, VerificationError) as exc:
            place = Place(self._topic, name=name)
            yield DamagedRecord(place, exc, RawRecord(None, None, place))
            return
        for line, record in enumerate(found.records, start=2):
            yield RawRecord(record.key, record.value, Place(self._topic, offset=line, name=name))
