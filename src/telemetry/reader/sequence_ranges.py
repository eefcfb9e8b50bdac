"""Remembers ranges of sequences, merged where they touch: a data key's records are one range, whatever signed them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right


class SequenceRanges:
    """A set of sequences as ranges in order that neither overlap nor touch."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        """Add the sequences from ``start`` up to ``end``, which is not one of them."""
        first, after = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if first < after:
            start, end = min(start, self._starts[first]), max(end, self._ends[after - 1])
        self._starts[first:after], self._ends[first:after] = [start], [end]

    def stretch(self, start: int, end: int) -> None:
        """Add these sequences and all between them and those that are there: one range, however many are added."""
        starts, ends = [*self._starts[:1], start], [*self._ends[-1:], end]
        self._starts, self._ends = [min(starts)], [max(ends)]

    def __contains__(self, sequence: int) -> bool:
        at = bisect_right(self._starts, sequence)
        return at > 0 and sequence < self._ends[at - 1]
