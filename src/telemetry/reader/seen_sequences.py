"""Remembers which sequences of a producer were seen, in memory that grows with the gaps and not with the events."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

MAX_UNHELD_RANGES = 1 << 16
"""Ranges of sequences without a leaf hash; with more, the lowest gap is closed."""


class SeenSequences:
    """The sequences of one producer that were seen, as intervals ``[start, end)`` in order."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, sequence: int) -> bool:
        """Remember a sequence; return False if it was seen before."""
        starts, ends = self._starts, self._ends
        at = bisect_right(starts, sequence)
        if at and sequence < ends[at - 1]:
            return False
        joins_left = at > 0 and ends[at - 1] == sequence
        joins_right = at < len(starts) and starts[at] == sequence + 1
        if joins_left and joins_right:
            # The sequence closes a gap of one: two intervals become one.
            ends[at - 1] = ends.pop(at)
            starts.pop(at)
        elif joins_left:
            ends[at - 1] = sequence + 1
        elif joins_right:
            starts[at] = sequence
        else:
            starts.insert(at, sequence)
            ends.insert(at, sequence + 1)
        return True


class UnheldSequences(SeenSequences):
    """Sequences of records that were seen when there was no room to hold their leaf hashes.

    The number of intervals is bounded too: with too many, the lowest gap is closed as if its records had been seen.
    A report based on these sequences must say that records were not held.
    """

    __slots__ = ()

    def add(self, sequence: int) -> bool:
        """Remember a sequence; return False if it was seen before."""
        is_new = super().add(sequence)
        if len(self._starts) > MAX_UNHELD_RANGES:
            # Interval 0 now ends where interval 1 ended: their gap is closed.
            self._starts.pop(1)
            self._ends.pop(0)
        return is_new

    def add_range(self, start: int, end: int) -> None:
        """Remember the sequences in ``[start, end)``, which are above all others."""
        self._starts.append(start)
        self._ends.append(end)

    def ranges(self) -> list[tuple[int, int]]:
        """Return the start and the end of each interval; the end is one more than its last sequence."""
        return list(zip(self._starts, self._ends, strict=True))

    @property
    def is_empty(self) -> bool:
        """Whether every record found room."""
        return not self._starts

    def absent(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the gaps in ``[start, end)`` as first and last sequence."""
        at = start
        for number in range(max(bisect_right(self._starts, start) - 1, 0), len(self._starts)):
            if self._starts[number] >= end:
                break
            if self._starts[number] > at:
                yield at, self._starts[number] - 1
            at = max(at, self._ends[number])
        if at < end:
            yield at, end - 1
