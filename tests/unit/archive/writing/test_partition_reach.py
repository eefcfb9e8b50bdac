"""Offsets are archived, lost, or never had a record; together they leave no hole."""

from __future__ import annotations

from telemetry.archive.writing.partition_reach import PartitionReach, starts_of
from telemetry.format.archive.seal import OffsetGap, SealedRange


def parts(reach: PartitionReach, first: int) -> list[tuple[str, int, int]]:
    names = {SealedRange: "range", OffsetGap: "gap"}
    return [(names[type(part)], part.first, part.end) for part in reach.parts(first)]


def test_offsets_without_a_record_are_no_gap() -> None:
    reach = PartitionReach("audit-events", 0, 5)
    for offset in (5, 6, 8):
        assert reach.read(offset, offset + 1)
    reach.end(10)

    assert parts(reach, 5) == [("range", 5, 10)]


def test_offsets_that_retention_took_are_a_gap() -> None:
    reach = PartitionReach("audit-events", 0, 5)
    reach.read(9, 10)
    reach.end(12)

    assert parts(reach, 9) == [("gap", 5, 9), ("range", 9, 12)]


def test_retention_that_takes_away_what_is_being_read() -> None:
    reach = PartitionReach("audit-events", 0, 0)
    reach.read(0, 1)
    reach.read(7, 8)
    reach.end(8)

    assert parts(reach, 6) == [("range", 0, 1), ("gap", 1, 6), ("range", 6, 8)]


def test_everything_was_taken_away() -> None:
    reach = PartitionReach("audit-events", 0, 3)
    reach.end(9)

    assert parts(reach, 9) == [("gap", 3, 9)]


def test_nothing_new() -> None:
    reach = PartitionReach("audit-events", 0, 3)
    reach.end(3)

    assert parts(reach, 0) == []


def test_offset_that_comes_twice_is_not_new() -> None:
    reach = PartitionReach("audit-events", 0, 3)

    assert reach.read(3, 6)
    assert not reach.read(3, 4)
    assert not reach.read(5, 6)
    assert reach.read(6, 7)


def test_partition_that_came_later_begins_at_zero() -> None:
    bounds = {0: (4, 9), 1: (2, 2)}

    assert {number: reach.position for number, reach in starts_of("t", None, bounds).items()} == {0: 4, 1: 2}
    assert {number: reach.position for number, reach in starts_of("t", {0: 7}, bounds).items()} == {0: 7, 1: 0}
