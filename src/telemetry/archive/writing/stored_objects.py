"""Archives the objects of the fallback store, each once: by its name, which no other object ever gets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from telemetry.archive.writing.gathered_rows import GatheredRows
from telemetry.exceptions import EncryptionError, StorageError
from telemetry.format.archive.seal import MAX_OBJECTS
from telemetry.format.objects.stored_name import parse_stored_name
from telemetry.format.uuid7 import created_at
from telemetry.reader.entry import DamagedRecord, HeldEvents, RawRecord
from telemetry.reader.seals.store import SealStore
from telemetry.reader.sources.fallback import FallbackSource

logger = logging.getLogger("telemetry.archive")

_MOST_NAMES = 200_000
"""Objects that are looked at in one pass; what is beyond comes when these are replayed or archived."""
_MOST_SEALS = 20_000
"""Seals that are read at a start to find out what is archived: the time in an object's name can be any."""
_CLOCK_SECONDS = 86_400.0


@dataclass(slots=True)
class ObjectTally:
    """What became of the objects of a pass.

    Attributes:
        archived: Names that the commit archives.
        waiting: Objects that cannot be opened or read now; they are tried again.
        is_last: Whether none is left that could be archived now.
    """

    archived: list[str]
    waiting: int = 0
    is_last: bool = True


class StoredObjects:
    """The objects of a fallback store that are not archived.

    Args:
        source: The store, and the keys that open its objects.
        seals: The seals, which name what is archived.
    """

    def __init__(self, source: FallbackSource, seals: SealStore) -> None:
        self._source = source
        self._seals = seals
        self._archived: set[str] | None = None

    def gather(self, rows: GatheredRows, *, last: int | None) -> ObjectTally:
        """Add the records of objects until the commit is full.

        Args:
            rows: Takes the records.
            last: Number of the last seal; None where there is none.

        Raises:
            StorageError: The store refused or did not answer.
        """
        tally = ObjectTally([])
        for name in self._pending(last):
            if rows.is_full or len(tally.archived) >= MAX_OBJECTS:
                tally.is_last = False
                break
            records = self._records(name)
            if records is None:
                tally.waiting += 1
                continue
            for record in records:
                rows.add(record)
            if records:
                tally.archived.append(name)
        return tally

    def committed(self, names: list[str]) -> None:
        """Note that objects are archived."""
        if self._archived is not None:
            self._archived.update(names)

    def forget(self) -> None:
        """Ask the seals again what is archived: another archiver may have worked meanwhile."""
        self._archived = None

    def _pending(self, last: int | None) -> Iterator[str]:
        names: list[str] = []
        for name in self._source.names():
            if len(names) == _MOST_NAMES:
                logger.error("the fallback store has more than %d objects: the others are archived later", _MOST_NAMES)
                break
            names.append(name)
        if self._archived is None:
            self._archived = self._archived_of(names, last)
        # What was replayed is never asked for again.
        self._archived &= set(names)
        return (name for name in names if name not in (self._archived or ()))

    def _archived_of(self, names: list[str], last: int | None) -> set[str]:
        """Return those of the names that a seal has; seals from before the oldest object cannot."""
        wanted, found = set(names), set[str]()
        oldest = min((_created(name) for name in names), default=0.0) - _CLOCK_SECONDS
        number = -1 if last is None else last
        lowest = max(number - _MOST_SEALS, -1)
        while number > lowest and len(found) < len(wanted):
            seal = self._seals.read(number).seal
            found |= wanted.intersection(seal.objects)
            if datetime.fromisoformat(seal.time).timestamp() < oldest:
                break
            number -= 1
        return found

    def _records(self, name: str) -> list[RawRecord | DamagedRecord] | None:
        """Return the records of an object, empty where it is gone; None where it cannot be opened or read now."""
        records: list[RawRecord | DamagedRecord] = []
        for record in self._source.object(name):
            error = _hindrance(record)
            if error is not None:
                logger.error(
                    "%s is not archived: %s. It is tried again with the next commit; replay brings it to the topic too",
                    name,
                    error,
                )
                return None
            if not isinstance(record, HeldEvents):
                records.append(record)
        return records


def _hindrance(record: RawRecord | DamagedRecord | HeldEvents) -> str | None:
    if isinstance(record, HeldEvents):
        return "it is sealed, and no key here opens it: name the storage secret of the service in storage_secret_file"
    if isinstance(record, DamagedRecord) and isinstance(record.error, EncryptionError | StorageError):
        return str(record.error)
    return None


def _created(name: str) -> float:
    parsed = parse_stored_name(name)
    return (created_at(parsed.object_name.created) if parsed is not None else None) or 0.0
