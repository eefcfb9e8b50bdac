"""Recognises records that were delivered more than once."""

from __future__ import annotations

from bisect import bisect_right


class SeenSequences:
    """The sequences of one producer that were seen, as intervals: memory grows with the gaps, not with the events."""

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


class Duplicates:
    """Tells duplicates by producer and sequence; exact, whatever the order."""

    def __init__(self) -> None:
        self._producers: dict[str, SeenSequences] = {}

    def add(self, producer: str, sequence: int) -> bool:
        """Remember an event; return False if it was seen before."""
        seen = self._producers.get(producer)
        if seen is None:
            seen = self._producers[producer] = SeenSequences()
        return seen.add(sequence)
