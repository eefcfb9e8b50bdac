"""Sequences are remembered as intervals, whatever the order in which they are seen."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.reader.seen_sequences import MAX_UNHELD_RANGES, SeenSequences, UnheldSequences

sequences = st.sets(st.integers(0, 2_000), max_size=60)


@given(st.permutations(range(12)), st.integers(0, 11))
def test_each_sequence_is_new_once(order: list[int], left_out: int) -> None:
    seen = SeenSequences()
    for sequence in order:
        if sequence != left_out:
            assert seen.add(sequence)
            assert not seen.add(sequence)
    assert seen.add(left_out)


@given(st.lists(st.integers(0, 300), max_size=300), st.integers(1, 4))
def test_small_blocks_remember_the_same(order: list[int], block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("telemetry.reader.seen_sequences._BLOCK", block)
        seen, known = UnheldSequences(), set[int]()
        for sequence in order:
            assert seen.add(sequence) == (sequence not in known)
            known.add(sequence)
        ranges = seen.ranges()
    assert [sequence for start, end in ranges for sequence in range(start, end)] == sorted(known)
    # Neighbours are one interval, so that memory grows with the gaps.
    assert all(end < start for (_, end), (start, _) in pairwise(ranges))


def gaps(present: set[int], start: int, end: int) -> list[int]:
    return [sequence for sequence in range(start, end) if sequence not in present]


@given(sequences, st.integers(0, 2_000), st.integers(1, 600))
def test_gaps_between_unheld_sequences(present: set[int], start: int, width: int) -> None:
    unheld = UnheldSequences()
    for sequence in present:
        assert unheld.add(sequence)
    end = start + width
    absent = [sequence for first, last in unheld.absent(start, end) for sequence in range(first, last + 1)]
    assert absent == gaps(present, start, end)
    assert unheld.is_empty == (not present)


def test_number_of_ranges_is_bounded() -> None:
    unheld = UnheldSequences()
    for sequence in range(0, 140_000, 2):
        unheld.add(sequence)
    assert len(unheld.ranges()) <= MAX_UNHELD_RANGES


def test_added_range_counts_as_seen() -> None:
    unheld = UnheldSequences()
    unheld.add_range(3, 6)
    assert not unheld.add(5)
    assert unheld.add(6)
    assert unheld.ranges() == [(3, 7)]
