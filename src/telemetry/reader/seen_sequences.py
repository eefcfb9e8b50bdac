"""Remembers which sequences of a producer were seen, in memory that grows with the gaps and not with the events."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

MAX_UNHELD_RANGES = 1 << 16
"""Ranges of sequences without a leaf hash; with more, the lowest gap is closed."""

_BLOCK = 512
"""Intervals of a block; one with twice as many is divided, so that an insertion never moves more than that."""


class SeenSequences:
    """The sequences of one producer that were seen, as intervals ``[start, end)`` in order.

    The intervals are in blocks of bounded length, so that n sequences cost n log n also in the worst order: an attacker
    chooses the numbers of the records that nobody sealed.
    """

    __slots__ = ("_blocks", "_count", "_firsts")

    def __init__(self) -> None:
        # Starts and ends of each block, and the first start of each; there is always one block.
        self._blocks: list[tuple[list[int], list[int]]] = [([], [])]
        self._firsts: list[int] = [0]
        self._count = 0

    def add(self, sequence: int) -> bool:
        """Remember a sequence; return False if it was seen before."""
        block = max(bisect_right(self._firsts, sequence) - 1, 0)
        starts, ends = self._blocks[block]
        at = bisect_right(starts, sequence)
        if at and sequence < ends[at - 1]:
            return False
        joins_left = at > 0 and ends[at - 1] == sequence
        # The interval on the right may be the first of the next block.
        right, right_at = (block, at) if at < len(starts) else (block + 1, 0)
        joins_right = right < len(self._blocks) and self._joins(right, right_at, sequence + 1)
        if joins_left and joins_right:
            # The sequence closes a gap of one: two intervals become one.
            ends[at - 1] = self._remove(right, right_at)
        elif joins_left:
            ends[at - 1] = sequence + 1
        elif joins_right:
            self._blocks[right][0][right_at] = sequence
            self._firsts[right] = self._blocks[right][0][0]
        else:
            self._insert(block, at, sequence)
        return True

    def _joins(self, block: int, at: int, sequence: int) -> bool:
        starts = self._blocks[block][0]
        return at < len(starts) and starts[at] == sequence

    def _insert(self, block: int, at: int, sequence: int) -> None:
        starts, ends = self._blocks[block]
        starts.insert(at, sequence)
        ends.insert(at, sequence + 1)
        self._firsts[block] = starts[0]
        self._count += 1
        if len(starts) >= 2 * _BLOCK:
            self._blocks.insert(block + 1, (starts[_BLOCK:], ends[_BLOCK:]))
            self._firsts.insert(block + 1, starts[_BLOCK])
            del starts[_BLOCK:], ends[_BLOCK:]

    def _remove(self, block: int, at: int) -> int:
        """Forget an interval; return its end."""
        starts, ends = self._blocks[block]
        starts.pop(at)
        end = ends.pop(at)
        self._count -= 1
        if starts:
            self._firsts[block] = starts[0]
        elif len(self._blocks) > 1:
            self._blocks.pop(block)
            self._firsts.pop(block)
        return end

    def _intervals(self, block: int = 0) -> Iterator[tuple[int, int]]:
        """Yield the intervals from a block on, in order."""
        for starts, ends in self._blocks[block:]:
            yield from zip(starts, ends, strict=True)


class UnheldSequences(SeenSequences):
    """Sequences of records that were seen when there was no room to hold their leaf hashes.

    The number of intervals is bounded too: with too many, the lowest gap is closed as if its records had been seen.
    A report based on these sequences must say that records were not held.
    """

    __slots__ = ()

    def add(self, sequence: int) -> bool:
        """Remember a sequence; return False if it was seen before."""
        is_new = super().add(sequence)
        if self._count > MAX_UNHELD_RANGES:
            self._close_lowest_gap()
        return is_new

    def add_range(self, start: int, end: int) -> None:
        """Remember the sequences in ``[start, end)``, which are above all others."""
        block = len(self._blocks) - 1
        self._insert(block, len(self._blocks[block][0]), start)
        self._blocks[-1][1][-1] = end

    def ranges(self) -> list[tuple[int, int]]:
        """Return the start and the end of each interval; the end is one more than its last sequence."""
        return list(self._intervals())

    @property
    def is_empty(self) -> bool:
        """Whether every record found room."""
        return not self._count

    def absent(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the gaps in ``[start, end)`` as first and last sequence."""
        at = start
        for first, after in self._intervals(max(bisect_right(self._firsts, start) - 1, 0)):
            if first >= end:
                break
            if first > at:
                yield at, first - 1
            at = max(at, after)
        if at < end:
            yield at, end - 1

    def _close_lowest_gap(self) -> None:
        # Interval 0 ends from now on where interval 1 ended.
        second = (0, 1) if len(self._blocks[0][0]) > 1 else (1, 0)
        self._blocks[0][1][0] = self._remove(*second)
