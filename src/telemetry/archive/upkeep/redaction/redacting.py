"""Finds the events of a redaction, and removes their values day by day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pyarrow as pa

from telemetry.archive.files.data_file import open_data_file
from telemetry.archive.upkeep.day_work import DayWork, rewrite_day
from telemetry.archive.upkeep.holds.hold import Hold
from telemetry.archive.upkeep.holds.in_force import HeldRow, Holds
from telemetry.archive.upkeep.open_archive import OpenArchive
from telemetry.archive.upkeep.redaction.redacted import Redacted
from telemetry.archive.upkeep.redaction.request import WANTED_COLUMNS, RedactionRequest
from telemetry.archive.upkeep.rewriting import Rewritten
from telemetry.archive.upkeep.row_change import RowChange
from telemetry.exceptions import ArchiveError, LegalHoldError
from telemetry.format.archive.seal import MAX_REDACTED_EVENTS, Commit, Redaction, Seal, SealedFile, SealKind
from telemetry.format.archive.succession import ArchiveState
from telemetry.storage import StorageProvider

_HELD_COLUMNS = ("keyhash", "service", "type", "time", "kafka_time")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class WantedDay(NamedTuple):
    """Events of one day that a redaction concerns.

    Attributes:
        day: The day, ``YYYY-MM-DD``.
        files: The files that have them.
        events: How many.
    """

    day: str
    files: tuple[SealedFile, ...]
    events: int


class Redacting(DayWork):
    """Redacts the events of a request.

    Args:
        store: The archive's store.
        request: Which events, and why.
        holds: Legal holds: one that covers an event of the request refuses all of it.
    """

    def __init__(self, store: StorageProvider, request: RedactionRequest, *, holds: Holds) -> None:
        self._store = store
        self._request = request
        self._holds = holds

    def days(self, state: ArchiveState) -> Iterator[WantedDay]:
        """Yield the days that have such events, the oldest first.

        Raises:
            LegalHoldError: A hold covers one of them.
        """
        for day in sorted({file.day for file in state.live.files()}):
            found = self._found(state, day)
            if found.files:
                yield found

    def inputs(self, state: ArchiveState, day: str) -> Sequence[SealedFile]:
        """Return the files of a day that have such events."""
        return self._found(state, day).files

    def change(self) -> Redacted:
        """Return what happens to the rows."""
        return Redacted(self._request)

    def commit(self, rewritten: Rewritten, change: RowChange) -> Commit | None:
        """Return what is to be sealed; the seal names no user."""
        if not isinstance(change, Redacted) or not change.count:
            return None
        request = self._request
        redaction = Redaction(
            request=request.request,
            count=change.count,
            by=request.by,
            reason=request.reason,
            events=request.ids if len(request.ids) <= MAX_REDACTED_EVENTS else (),
        )
        removed = tuple(file.name for file in rewritten.removed)
        return Commit(kind=SealKind.REDACT, added=rewritten.added, removed=removed, redacted=(redaction,))

    def _found(self, state: ArchiveState, day: str) -> WantedDay:
        files = [file for file in state.live.files() if file.day == day]
        counts = [(file, self._count(file)) for file in files]
        wanted = tuple(file for file, count in counts if count)
        return WantedDay(day, wanted, sum(count for _, count in counts))

    def _count(self, file: SealedFile) -> int:
        count = 0
        columns = list(dict.fromkeys((*WANTED_COLUMNS, *_HELD_COLUMNS)))
        with open_data_file(self._store, file.name, size=file.size) as data:
            for batch in data.batches(columns):
                wanted = batch.filter(self._request.wanted(batch))
                self._require_free(wanted)
                count += wanted.num_rows
        return count

    def _require_free(self, rows: pa.RecordBatch) -> None:
        if not len(self._holds):
            return
        columns = [rows.column(name) for name in _HELD_COLUMNS]
        numbers = [column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column for column in columns]
        for keyhash, service, event_type, *times in zip(*[column.to_pylist() for column in numbers], strict=True):
            moments = tuple(_EPOCH + timedelta(microseconds=time) for time in times if time is not None)
            hold = self._holds.of_row(HeldRow(keyhash, service, event_type, moments))
            if hold is not None:
                raise held(hold)


def redact_day(archive: OpenArchive, redacting: Redacting, day: str) -> Seal | None:
    """Redact the events of a day; see :func:`telemetry.archive.upkeep.day_work.rewrite_day`."""
    return rewrite_day(archive, redacting, day)


def held(hold: Hold) -> LegalHoldError:
    """Return the error of a redaction that a hold forbids."""
    message = (
        f"the legal hold {hold.id} ({hold.reason}; ordered by {hold.by}) covers an event of this request: nothing was "
        "redacted. Ask who ordered it; `telemetry archive release` ends it"
    )
    return LegalHoldError(message)


def require_complete(archive: OpenArchive, redacting: Redacting) -> None:
    """Raise ``ArchiveError`` if an event of the request was archived while it was redacted."""
    left = sum(day.events for day in redacting.days(archive.state()))
    if left:
        message = f"{left} events of this request were archived while it ran, or could not be redacted; run it again"
        raise ArchiveError(message)
