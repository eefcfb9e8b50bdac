"""Opens the records of a source, and later those whose data key could not be asked for at once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from telemetry.exceptions import UnknownKeysError, WrapNotSeenError
from telemetry.reader.entry import DamagedRecord, Entry, RawRecord, SourceRecord
from telemetry.reader.open.opener import RecordOpener
from telemetry.reader.open.waiting import WaitingRecords
from telemetry.system.deadline import Deadline

PATIENCE_SECONDS = 10.0


class PatientOpener:
    """Opens records in the order of the source; forged ones may delay a record, never make it disappear.

    While too many records name keys that do not unwrap, those with a key not seen before wait. They are opened as the
    budget of the opener admits, after the records that come meanwhile; what is still waiting a while after the end of
    the source is yielded as not opened. Where the reader is a recipient, a record also waits for the one that names the
    wrap of its data key: it may be in another partition.

    Args:
        opener: Opens the records.
        seconds: How long to go on after the end of the source.
    """

    def __init__(self, opener: RecordOpener, *, seconds: float = PATIENCE_SECONDS) -> None:
        self._opener = opener
        self._seconds = seconds
        self._waiting = WaitingRecords()
        self._unnamed = WaitingRecords()
        self._stopping = threading.Event()

    def entries(self, source: Iterable[SourceRecord]) -> Iterator[Entry]:
        """Yield an entry for each record."""
        for raw in source:
            entry = self._opener.open(raw) if isinstance(raw, RawRecord) else raw
            if isinstance(entry, DamagedRecord):
                yield from self._placed(entry)
            else:
                yield entry
            if self._unnamed:
                yield from self._named()
            if self._waiting:
                yield from self._due()
        yield from self._last()
        yield from self._unnamed.give_up()

    def stop(self) -> None:
        """End the wait after the end of the source; can be called from any thread."""
        self._stopping.set()

    def _placed(self, entry: DamagedRecord) -> Iterable[Entry]:
        """Return an entry that is final, or let it wait and return those that give way."""
        if isinstance(entry.error, UnknownKeysError):
            return self._waiting.add(entry, entry.error.data_key)
        if isinstance(entry.error, WrapNotSeenError):
            return self._unnamed.add(entry, entry.error.data_key)
        return (entry,)

    def _due(self) -> Iterator[Entry]:
        """Yield the records of the next key, if one may be tried now."""
        if self._opener.seconds_to_wait() > 0:
            return
        yield from self._again(self._waiting.take_next())

    def _named(self) -> Iterator[Entry]:
        """Yield the records whose data key another record has named a wrap for."""
        for data_key in self._opener.take_arrived():
            yield from self._again(self._unnamed.take(data_key))

    def _again(self, records: Iterable[RawRecord]) -> Iterator[Entry]:
        for raw in records:
            entry = self._opener.open(raw, waited=True)
            if isinstance(entry, DamagedRecord):
                yield from self._placed(entry)
            else:
                yield entry

    def _last(self) -> Iterator[Entry]:
        deadline = Deadline(self._seconds)
        while self._waiting:
            pause = self._opener.seconds_to_wait()
            if pause > deadline.remaining or self._stopping.wait(pause):
                break
            yield from self._due()
        yield from self._waiting.give_up()
