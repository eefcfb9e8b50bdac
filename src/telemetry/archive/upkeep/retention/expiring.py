"""Finds the rows whose retention is over, and ends them day by day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from telemetry.archive.files.data_file import open_data_file
from telemetry.archive.rows.columns import Kind
from telemetry.archive.upkeep.day_work import DayWork, rewrite_day
from telemetry.archive.upkeep.holds.in_force import Holds
from telemetry.archive.upkeep.open_archive import OpenArchive
from telemetry.archive.upkeep.retention.ended import JUDGED_COLUMNS, Ended, EndedRows
from telemetry.archive.upkeep.retention.policy import RetentionPolicy
from telemetry.archive.upkeep.rewriting import Rewritten
from telemetry.archive.upkeep.row_change import RowChange
from telemetry.format.archive.seal import Commit, Ending, Seal, SealedFile, SealKind
from telemetry.format.archive.succession import ArchiveState
from telemetry.storage import StorageProvider

MAX_ENDINGS = 500
"""Types that a seal names; the rows of all others are one entry."""
NO_EVENT = "records that are no events"


class EndingDay(NamedTuple):
    """Rows of one day whose retention is over.

    Attributes:
        day: The day, ``YYYY-MM-DD``.
        files: The files that have them.
        rows: How many, by event type; None for records that are no events.
        held: Rows that a legal hold alone keeps.
    """

    day: str
    files: tuple[SealedFile, ...]
    rows: Counter[str | None]
    held: int


class _Look(NamedTuple):
    """What a file has: rows that end, and runs of rows that ended before."""

    ends: bool
    has_runs: bool


class Expiring(DayWork):
    """Ends the retention of rows.

    Args:
        store: The archive's store.
        policy: How long events are kept.
        holds: Legal holds.
        now: Present time, with its time zone.
    """

    def __init__(self, store: StorageProvider, policy: RetentionPolicy, *, holds: Holds, now: datetime) -> None:
        self._store = store
        self._policy = policy
        self._holds = holds
        self._now = now
        self._cutoffs = policy.cutoffs(now)

    def days(self, state: ArchiveState) -> Iterator[EndingDay]:
        """Yield the days that have such rows, or that a hold keeps, the oldest first."""
        latest = self._cutoffs.latest
        if latest is None:
            return
        # No row of a later day can be over: the latest time of a row is never before its day.
        for day in sorted({file.day for file in state.live.files() if file.day <= latest.date().isoformat()}):
            found = self._found(state, day)
            if found.files or found.held:
                yield found

    def inputs(self, state: ArchiveState, day: str) -> Sequence[SealedFile]:
        """Return the files of a day that have such rows."""
        return self._found(state, day).files

    def change(self) -> Ended:
        """Return what happens to the rows."""
        return Ended(self._judge(), policy=self._policy.text, at=self._now)

    def commit(self, rewritten: Rewritten, change: RowChange) -> Commit | None:
        """Return what is to be sealed."""
        if not isinstance(change, Ended) or not change.ended:
            return None
        removed = tuple(file.name for file in rewritten.removed)
        return Commit(kind=SealKind.EXPIRE, added=rewritten.added, removed=removed, ended=self._endings(change.ended))

    def _found(self, state: ArchiveState, day: str) -> EndingDay:
        judge = self._judge()
        files = [file for file in state.live.files() if file.day == day]
        looks = [(file, self._look(file, judge)) for file in files]
        # Runs of an earlier time are rewritten too, so that they join: only where something ends at all.
        is_due = any(look.ends for _, look in looks)
        wanted = tuple(file for file, look in looks if is_due and (look.ends or look.has_runs))
        return EndingDay(day, wanted, judge.ended, judge.held)

    def _look(self, file: SealedFile, judge: EndedRows) -> _Look:
        ends = has_runs = False
        with open_data_file(self._store, file.name, size=file.size) as data:
            # Each batch is judged, not only the first that has one: the counts are shown.
            for batch in data.batches(JUDGED_COLUMNS):
                ends |= any(judge.judge(batch))
                has_runs |= Kind.ENDED.value in batch.column("kind").to_pylist()
        return _Look(ends=ends, has_runs=has_runs)

    def _judge(self) -> EndedRows:
        return EndedRows(self._cutoffs, self._holds)

    def _endings(self, ended: Counter[str | None]) -> tuple[Ending, ...]:
        named = ended.most_common(MAX_ENDINGS)
        endings = [Ending(policy=self.text_of(name), rows=rows) for name, rows in named]
        others = ended.total() - sum(rows for _, rows in named)
        return (*endings, Ending(policy="other types", rows=others)) if others else tuple(endings)

    def text_of(self, event_type: str | None) -> str:
        """Return type and retention, as a seal and the table of the command have it."""
        name = NO_EVENT if event_type is None else event_type
        shown = name if name.isprintable() else ascii(name)[1:-1]
        return f"{shown[:200]}: {self._policy.of_type(event_type)}"


def expire_day(archive: OpenArchive, expiring: Expiring, day: str) -> Seal | None:
    """End the retention of a day's rows; see :func:`telemetry.archive.upkeep.day_work.rewrite_day`."""
    return rewrite_day(archive, expiring, day)
