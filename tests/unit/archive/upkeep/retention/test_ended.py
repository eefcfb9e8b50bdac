from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.archive.rows.columns import Row, row
from telemetry.archive.rows.records import records_of
from telemetry.archive.upkeep.holds.hold import Hold
from telemetry.archive.upkeep.holds.in_force import Holds
from telemetry.archive.upkeep.merging import is_in_order, merged
from telemetry.archive.upkeep.retention.ended import Ended, EndedRows
from telemetry.archive.upkeep.retention.policy import Retention, RetentionPolicy
from telemetry.exceptions import ArchiveError
from telemetry.reader.entry import EndedRun
from tests.support.upkeep_rows import DAY, NOON, A, B, Rows, a_checkpoint, an_event, micros

LATER = NOON + timedelta(days=800)
ONE_YEAR = RetentionPolicy({"order.paid": Retention(1, "y")}, default=None, name="shop 1")
ALL = RetentionPolicy({}, default=Retention(1, "y"), name="")
ID, ARCHIVE = "019c1180-09ad-7383-9790-0a5e588d6c7f", "018f3b1c-0000-7000-8000-00000000a000"


def end(
    rows: list[Row] | pa.Table, policy: RetentionPolicy = ONE_YEAR, holds: Holds | None = None
) -> tuple[Ended, pa.Table]:
    judge = EndedRows(policy.cutoffs(LATER), holds or Holds())
    change = Ended(judge, policy=policy.text, at=LATER)
    table = rows if isinstance(rows, pa.Table) else Rows(rows).table
    parts = list(change.changed(table.slice(start, 4) for start in range(0, table.num_rows, 4)))
    written = pa.concat_tables(parts) if parts else table.slice(0, 0)
    change.require_kept([written])
    return change, written


def kinds(table: pa.Table) -> list[tuple[str, int | None, int | None]]:
    return [(each["kind"], each["sequence"], each["until"]) for each in table.to_pylist()]


def a_hold(**parts: object) -> Holds:
    fixed = {"id": ID, "archive": ARCHIVE, "time": "2024-01-01T00:00:00Z", "by": "dora", "reason": "case"}
    return Holds([Hold(**{**fixed, **parts})])  # type: ignore[arg-type]


def test_consecutive_events_become_one_run() -> None:
    change, table = end([an_event(A, number) for number in range(20)])

    assert kinds(table) == [("ended", 0, 20)]
    assert change.ended == {"order.paid": 20}


def test_checkpoints_stay_between_runs() -> None:
    rows = [*(an_event(A, number) for number in range(20)), a_checkpoint(A, 10), a_checkpoint(A, 20)]

    assert kinds(end(rows)[1]) == [
        ("ended", 0, 10),
        ("checkpoint", 10, None),
        ("ended", 10, 20),
        ("checkpoint", 20, None),
    ]


def test_types_that_are_kept_stay_between_runs() -> None:
    rows = [an_event(A, number, type="order.paid" if number != 5 else "other") for number in range(8)]

    assert kinds(end(rows)[1]) == [("ended", 0, 5), ("event", 5, None), ("ended", 6, 8)]


def test_gaps_are_not_bridged() -> None:
    rows = [an_event(A, number) for number in (0, 1, 3, 4)]

    assert kinds(end(rows)[1]) == [("ended", 0, 2), ("ended", 3, 5)]


def test_runs_join_when_what_was_between_them_ends() -> None:
    rows = [an_event(A, number, type="order.paid" if number != 5 else "other") for number in range(8)]
    _, first = end(rows)

    _, second = end(first, ALL)

    assert kinds(second) == [("ended", 0, 8)]


def test_late_copy_of_an_ended_event_ends_too() -> None:
    _, first = end([an_event(A, number) for number in range(8)])
    late = Rows([an_event(A, 3, kafka_time=micros(NOON) + 9), an_event(A, 7)])

    table = pa.concat_tables(merged([late, _Batches(first)]))

    assert kinds(end(table)[1]) == [("ended", 0, 8)]


def test_rival_values_both_leave_their_leaf() -> None:
    rows = [*(an_event(A, number) for number in range(4)), an_event(A, 1, content=b"forged")]

    change, table = end(rows)

    leaves = {(run.first + at, leaf) for run in runs(table) for at, leaf in enumerate(_split(run.leaves))}
    assert len(leaves) == 5
    assert change.ended == {"order.paid": 5}


def test_records_that_are_no_events_end_by_default_alone() -> None:
    rows = [
        row(day=DAY, kind="damaged", offset=1, value=b"x", kafka_time=micros(NOON)),
        row(day=DAY, kind="tombstone", offset=2),
    ]

    assert len(end(rows)[1]) == 2
    assert kinds(end(rows, ALL)[1]) == [("tombstone", None, None)]


def test_clock_that_is_behind_ends_nothing_early() -> None:
    recent = micros(LATER - timedelta(days=1))
    rows = [an_event(A, 0, time=0, kafka_time=recent), an_event(A, 1, time=recent, kafka_time=0)]

    assert [each for each, _, _ in kinds(end(rows)[1])] == ["event", "event"]


def test_hold_keeps_what_it_covers() -> None:
    rows = [an_event(A, 0), an_event(A, 1, keyhash="o" * 22), an_event(A, 2, keyhash=None)]

    held = end(rows, holds=a_hold(keyhashes=("o" * 22,)))[1]

    assert kinds(held) == [("ended", 0, 1), ("event", 1, None), ("event", 2, None)]
    assert len(end(rows, holds=a_hold(service="other"))[1]) == 1
    assert len(end(rows, holds=a_hold(since="2200-01-01T00:00:00Z"))[1]) == 1
    assert len(end(rows, holds=a_hold())[1]) == 3


def test_readers_get_ended_runs() -> None:
    (run,) = runs(end([an_event(A, number) for number in range(5)])[1])

    assert (run.source, run.producer, run.first, run.end, run.policy) == ("/test/shop", A, 0, 5, ONE_YEAR.text)


def test_redacted_events_end_like_others() -> None:
    mark = {"at": 1, "by": "x", "reason": "y", "request": "z"}
    rows = [an_event(A, 0), an_event(A, 1, value=None, redacted=mark), an_event(A, 2)]

    assert kinds(end(rows)[1]) == [("ended", 0, 3)]


@given(
    st.lists(
        st.tuples(st.sampled_from((A, B)), st.integers(0, 9), st.sampled_from([b"", b"", b"x"]), st.booleans()),
        max_size=30,
    ),
    st.lists(st.integers(0, 9), max_size=3),
)
def test_every_leaf_is_left_whatever_the_rows(events: list[tuple[str, int, bytes, bool]], sizes: list[int]) -> None:
    rows = [
        an_event(producer, number, content=content, type="order.paid" if ends else "other")
        for producer, number, content, ends in events
    ]
    rows += [a_checkpoint(A, size) for size in sizes]
    expected = {
        (each["producer"], each["sequence"], each["leaf"]) for each in Rows(rows).table.to_pylist() if each["leaf"]
    }

    _, once = end(rows)  # checks the leaves itself
    _, twice = end(once, ALL)

    assert all(is_in_order(batch) for table in (once, twice) for batch in table.combine_chunks().to_batches())
    found = {(run.producer, run.first + at, leaf) for run in runs(twice) for at, leaf in enumerate(_split(run.leaves))}
    assert found == expected
    assert twice.num_rows - len(runs(twice)) == len(sizes)


def test_lost_leaf_is_refused() -> None:
    judge = EndedRows(ONE_YEAR.cutoffs(LATER), Holds())
    change = Ended(judge, policy="p", at=LATER)
    (table,) = change.changed(Rows([an_event(A, number) for number in range(4)], batch=9).tables())

    with pytest.raises(ArchiveError):
        change.require_kept([table.slice(1)])


class _Batches:
    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def batches(self) -> Iterator[pa.RecordBatch]:
        yield from self._table.to_batches()


def runs(table: pa.Table) -> list[EndedRun]:
    found = [each for batch in table.to_batches() for each in records_of(batch, store_name="store")]
    return [each for each in found if isinstance(each, EndedRun)]


def _split(leaves: bytes | None) -> list[bytes]:
    return [leaves[start : start + 32] for start in range(0, len(leaves or b""), 32)] if leaves else []
