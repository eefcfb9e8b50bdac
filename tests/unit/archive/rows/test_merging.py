from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from telemetry.archive.rows import merging
from telemetry.archive.rows.columns import Row, row
from telemetry.archive.rows.merging import merged_table
from telemetry.archive.rows.tables import sorted_table, table_of
from tests.unit.archive.rows.test_tables import ORDERED


@pytest.fixture(autouse=True)
def short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "_LEAST_ROWS", 0)


def event(sequence: int, **columns: Any) -> Row:
    return row(**{"day": 1, "service": "a", "producer": "p", "kind": "event", "sequence": sequence, **columns})


def same_as_sorted(*parts: list[Row]) -> pa.Table:
    tables = [table_of(part) for part in parts]
    merged = merged_table(tables)
    assert merged.equals(sorted_table(pa.concat_tables(tables)))
    return merged


def test_one_table() -> None:
    same_as_sorted([event(1), event(0)])


def test_runs_that_follow_each_other_are_not_copied() -> None:
    tables = [
        table_of([event(0), event(1), event(5, producer="q")]),
        table_of([event(2), event(6, producer="q"), event(0, day=2)]),
    ]
    merged = merged_table(tables)

    assert merged.column("sequence").to_pylist() == [0, 1, 2, 5, 6, 0]
    addresses = {table.column("value").chunk(0).buffers()[1].address for table in tables}
    assert {chunk.buffers()[1].address for chunk in merged.column("value").chunks} <= addresses


def test_runs_that_overlap_are_sorted() -> None:
    merged = same_as_sorted([event(0), event(4)], [event(2), event(3), event(9)], [event(1, producer="q")])

    assert merged.column("sequence").to_pylist() == [0, 2, 3, 4, 9, 1]


def test_copies_keep_the_order_of_the_tables() -> None:
    merged = same_as_sorted([event(0, value=b"first")], [event(0, value=b"second")], [event(0, value=b"third")])

    assert merged.column("value").to_pylist() == [b"first", b"second", b"third"]


def test_nulls_of_every_kind() -> None:
    same_as_sorted(ORDERED[6:], ORDERED[:6], ORDERED[2:9], [event(0, topic="t", partition=0, offset=1), event(0)])


def test_empty_tables() -> None:
    assert len(same_as_sorted([], [])) == 0
    assert len(same_as_sorted([], [event(1)], [])) == 1


def test_many_short_runs_are_sorted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "_LEAST_ROWS", 64)
    parts = [[event(number, producer=f"p{number % 7}") for number in range(start, 40, 2)] for start in (0, 1)]

    assert merged_table([table_of(part) for part in parts]).column("value").num_chunks == 1
    same_as_sorted(*parts)
