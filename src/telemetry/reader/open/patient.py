"""Opens the records of a source, and later those whose data key could not be asked for at once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from telemetry.exceptions import UnknownKeysError
from telemetry.reader.entry import DamagedRecord, Entry, RawRecord
from telemetry.reader.open.opener import RecordOpener
from telemetry.reader.open.waiting import WaitingRecords
from telemetry.system.deadline import Deadline

PATIENCE_SECONDS = 10.0


class PatientOpener:
    """Opens records in the order of the source; forged ones may delay a record, never make it disappear.

    While too many records name keys that do not unwrap, those with a key not seen before wait. They are opened as the
    budget of the opener admits, after the records that come meanwhile; what is still waiting a while after the end of
    the source is yielded as not opened.

    Args:
        opener: Opens the records.
        seconds: How long to go on after the end of the source.
    """

    def __init__(self, opener: RecordOpener, *, seconds: float = PATIENCE_SECONDS) -> None:
        self._opener = opener
        self._seconds = seconds
        self._waiting = WaitingRecords()
        self._stopping = threading.Event()

    def entries(self, source: Iterable[RawRecord | DamagedRecord]) -> Iterator[Entry]:
        """Yield an entry for each record."""
        for raw in source:
            entry = raw if isinstance(raw, DamagedRecord) else self._opener.open(raw)
            if isinstance(entry, DamagedRecord) and isinstance(entry.error, UnknownKeysError):
                yield from self._waiting.add(entry, entry.error.data_key)
            else:
                yield entry
            if self._waiting:
                yield from self._due()
        yield from self._last()

    def stop(self) -> None:
        """End the wait after the end of the source; can be called from any thread."""
        self._stopping.set()

    def _due(self) -> Iterator[Entry]:
        """Yield the records of the next key, if one may be tried now."""
        if self._opener.seconds_to_wait() > 0:
            return
        for raw in self._waiting.take_next():
            entry = self._opener.open(raw, waited=True)
            if isinstance(entry, DamagedRecord) and isinstance(entry.error, UnknownKeysError):
                yield from self._waiting.add(entry, entry.error.data_key)
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
