"""Ranges hold exactly the sequences that were added, in any order, and no more ranges than there are gaps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from telemetry.reader.sequence_ranges import SequenceRanges

RANGE = st.tuples(st.integers(0, 40), st.integers(1, 8))


@given(st.lists(RANGE, max_size=12))
def test_ranges_equal_a_set(added: list[tuple[int, int]]) -> None:
    ranges, expected = SequenceRanges(), set[int]()
    for start, length in added:
        ranges.add(start, start + length)
        expected |= set(range(start, start + length))
        assert {number for number in range(-1, 60) if number in ranges} == expected
        gaps = sum(number + 1 not in expected for number in expected)
        assert len(ranges._starts) == gaps


def test_stretched_range_has_everything_between() -> None:
    ranges = SequenceRanges()
    for start, end in ((10, 12), (4, 5), (20, 21)):
        ranges.stretch(start, end)
    assert [number in ranges for number in (3, 4, 9, 10, 15, 20, 21)] == [False, True, True, True, True, True, False]
