"""Puts the leaf hashes of events whose retention is over in the place of their rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from telemetry.archive.rows.columns import DAY_MICROSECONDS, Kind, Row
from telemetry.archive.rows.tables import sorted_table, table_of
from telemetry.archive.upkeep.fingerprint import Fingerprint
from telemetry.archive.upkeep.holds.in_force import HeldRow, Holds
from telemetry.archive.upkeep.leaf_digest import KnownLeaves, LeafDigest, LeafRun
from telemetry.archive.upkeep.retention.pending_run import PendingRun, Stream
from telemetry.archive.upkeep.retention.policy import Cutoffs
from telemetry.archive.upkeep.row_change import RowChange, require_same
from telemetry.exceptions import ArchiveError

JUDGED_COLUMNS = ("day", "kind", "type", "time", "kafka_time", "keyhash", "service")
"""Columns that say whether the retention of a row is over; all are narrow."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BY = "telemetry archive expire"
_MAX_TAIL = 20_000
"""Copies of one event beyond which the order of kinds is given up: a reader sorts the file then."""


class EndedRows:
    """Says of rows whether their retention is over and nobody asked to keep them.

    Args:
        cutoffs: The moments before which retentions are over.
        holds: Legal holds.

    Attributes:
        ended: Rows whose retention is over, by event type; None for records that are no events.
        held: Rows that are kept by a hold alone.
    """

    def __init__(self, cutoffs: Cutoffs, holds: Holds) -> None:
        self._cutoffs = cutoffs
        self._holds = holds
        self.ended: Counter[str | None] = Counter()
        self.held = 0

    def judge(self, rows: pa.Table | pa.RecordBatch) -> list[bool]:
        """Return for each row whether it ends.

        Args:
            rows: Rows with ``JUDGED_COLUMNS``.
        """
        columns = [_numbers(rows.column(name)).to_pylist() for name in JUDGED_COLUMNS]
        return [self._ends(*row) for row in zip(*columns, strict=True)]

    def _ends(
        self,
        day: int,
        kind: str | None,
        event_type: str | None,
        time: int | None,
        kafka_time: int | None,
        keyhash: str | None,
        service: str | None,
    ) -> bool:
        """Judge one row.

        1. Events end, and records that are none; checkpoints, rosters and what says where something is missing stay.
        2. The latest time counts: a clock that is wrong, or a forged time, ends nothing early.
        3. A legal hold keeps it.
        """
        # 1.
        if kind not in (Kind.EVENT, Kind.DAMAGED):
            return False
        name = event_type if kind == Kind.EVENT else None
        # 2.
        times = [moment for moment in (time, kafka_time) if moment is not None]
        if not self._cutoffs.is_over(name, max(times, default=(day + 1) * DAY_MICROSECONDS)):
            return False
        # 3.
        if len(self._holds):
            moments = tuple(_EPOCH + timedelta(microseconds=moment) for moment in times)
            if self._holds.of_row(HeldRow(keyhash, service, event_type, moments)) is not None:
                self.held += 1
                return False
        self.ended[name] += 1
        return True


class Ended(RowChange):
    """Ends the retention of events: runs of leaf hashes are in their place, so that every signed tree is still proven.

    A run ends at each row that stays, so it is never longer than the events between two checkpoints.

    Args:
        rows: Says which rows end.
        policy: Policy that ends them, for the reports.
        at: When.
    """

    def __init__(self, rows: EndedRows, *, policy: str, at: datetime) -> None:
        self._rows = rows
        micros = (at - _EPOCH) // timedelta(microseconds=1)
        self._mark = {"at": micros, "by": _BY, "reason": policy, "request": ""}
        self._pending: PendingRun | None = None
        self._known: tuple[Stream | None, KnownLeaves] = (None, KnownLeaves())
        self._tail: list[pa.Table] = []
        self._expected = Fingerprint()
        self._leaves = LeafDigest()

    @property
    def ended(self) -> Counter[str | None]:
        """Rows that ended, by event type; None for records that are no events."""
        return self._rows.ended

    def changed(self, rows: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yield the rows that stay, and the runs of those that ended."""
        for table in rows:
            self._leaves.add(table)
            yield from self._expecting(self._without_tail(self._of_table(table)))
        last: list[Row] = []
        self._finish(last)
        yield from self._expecting(_in_order([table_of(last), *self._tail]))

    def require_kept(self, written: Iterable[pa.Table]) -> None:
        """Check what was written.

        1. It is what was to be written.
        2. It has every leaf hash of the inputs.
        """
        leaves = LeafDigest()

        def watched() -> Iterator[pa.Table]:
            for table in written:
                leaves.add(table)
                yield table

        # 1.
        require_same(self._expected, watched())
        # 2.
        if leaves.total != self._leaves.total:
            message = "the rows that were written do not have every leaf hash of those that ended; nothing was changed"
            raise ArchiveError(message)

    def _expecting(self, table: pa.Table) -> Iterator[pa.Table]:
        if table.num_rows:
            self._expected = self._expected.of(table)
            yield table

    def _of_table(self, table: pa.Table) -> pa.Table:
        """Return the rows that stay, and the runs that are complete, in the order of the table."""
        names = ("day", "service", "environment", "producer", "kind", "sequence", "leaf")
        columns = [_numbers(table.column(name)).to_pylist() for name in names]
        kept: list[int] = []
        runs: list[Row] = []
        narrow = zip(*columns, self._rows.judge(table), strict=True)
        for index, (day, service, environment, producer, kind, sequence, leaf, ends) in enumerate(narrow):
            run = _run_of(table, index, kind=kind, sequence=sequence, leaf=leaf, ends=ends)
            if run is not None:
                stream = Stream(service, environment, producer, day)
                mark = self._mark if kind == Kind.EVENT else table.column("redacted")[index].as_py()
                self._take(stream, run, _as_micros(mark), runs)
            elif not ends or kind == Kind.EVENT:
                self._finish(runs)
                kept.append(index)
        staying = table.take(pa.array(kept, pa.int64()))
        return _in_order([table_of(runs), *self._tail, staying]) if runs or self._tail else staying

    def _without_tail(self, rows: pa.Table) -> pa.Table:
        """Keep back the last rows of one sequence: a run that begins with a copy of that event comes before them."""
        count = _rows_of_last(rows)
        if count > _MAX_TAIL:
            count = 0
        self._tail = [rows.slice(rows.num_rows - count)] if count else []
        return rows.slice(0, rows.num_rows - count)

    def _take(self, stream: Stream, run: LeafRun, mark: dict[str, Any], runs: list[Row]) -> None:
        """Add leaves to the run that is pending, or begin the next one."""
        if self._known[0] != stream:
            self._known = (stream, KnownLeaves())
        known = self._known[1]
        known.begin(run.first)
        pending = self._pending
        # A copy of an event that has ended says nothing new.
        if run.end - run.first == 1 and (
            known.has(run.first, run.leaves) or (pending is not None and pending.has(stream, run.first, run.leaves))
        ):
            return
        if pending is not None and pending.is_followed_by(stream, run):
            pending.extend(run, self._mark)
            return
        self._finish(runs)
        self._pending = PendingRun(stream, run, mark)

    def _finish(self, runs: list[Row]) -> None:
        if self._pending is None:
            return
        runs.append(self._pending.as_row())
        if self._known[0] == self._pending.stream:
            self._known[1].add(self._pending.as_run())
        self._pending = None


def _in_order(tables: list[pa.Table]) -> pa.Table:
    return sorted_table(pa.concat_tables(tables))


def _rows_of_last(rows: pa.Table) -> int:
    """Return how many rows at the end have the stream and the sequence of the last one."""
    keys = list(
        zip(*(rows.column(name).to_pylist()[::-1] for name in ("service", "producer", "sequence")), strict=True)
    )
    return next((count for count, key in enumerate(keys) if key != keys[0]), len(keys))


def _run_of(
    table: pa.Table, index: int, *, kind: str | None, sequence: int | None, leaf: bytes | None, ends: bool
) -> LeafRun | None:
    """Return the leaves of a row that ends or has ended; None of any other."""
    if sequence is None:
        return None
    if kind == Kind.EVENT and ends and leaf is not None:
        return LeafRun(sequence, leaf)
    value = table.column("value")[index].as_py() if kind == Kind.ENDED else None
    # Without leaves it covers whole signed intervals, and stays as it is.
    return LeafRun(sequence, value) if value else None


def _numbers(column: Any) -> Any:
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64())
    return column.cast(pa.int32()) if pa.types.is_date32(column.type) else column


def _as_micros(mark: dict[str, Any]) -> dict[str, Any]:
    at = mark["at"]
    return mark if not isinstance(at, datetime) else {**mark, "at": (at - _EPOCH) // timedelta(microseconds=1)}
