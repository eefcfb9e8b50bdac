"""Judges records by the leaf hashes that a signed checkpoint brings along: each copy by itself, in any order."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from telemetry.format.proof.merkle import HASH_BYTES


@dataclass(slots=True)
class SignedInterval:
    """An interval whose leaf hashes are signed, while not every record of it was read as it was signed.

    Attributes:
        start: First sequence.
        leaves: Leaf hashes of its records, one after the other.
        signed_at: Time of the checkpoint that signs them, RFC 3339.
        proven: A bit for each record that was read and is the signed one.
        seen: A bit for each record of which any copy was read.
    """

    start: int
    leaves: bytes
    signed_at: str
    proven: int = 0
    seen: int = 0

    @property
    def end(self) -> int:
        """One more than the last sequence."""
        return self.start + len(self.leaves) // HASH_BYTES

    @property
    def is_whole(self) -> bool:
        """Whether every record was read as it was signed."""
        return self.proven == (1 << self.end - self.start) - 1

    def leaf(self, sequence: int, last: int | None = None) -> bytes:
        """Return the leaf hash that was signed for a record, or those up to a last one."""
        first, count = sequence - self.start, (sequence if last is None else last) - sequence + 1
        return self.leaves[first * HASH_BYTES : (first + count) * HASH_BYTES]

    def is_proven(self, sequence: int) -> bool:
        """Return whether the record was read as it was signed."""
        return bool(self.proven >> sequence - self.start & 1)

    def was_seen(self, sequence: int) -> bool:
        """Return whether any copy of the record was read."""
        return bool(self.seen >> sequence - self.start & 1)

    def arrive(self, sequence: int, leaf: bytes) -> bool:
        """Judge a copy; return whether it is the record that was signed."""
        bit = 1 << sequence - self.start
        self.seen |= bit
        if leaf != self.leaf(sequence):
            return False
        self.proven |= bit
        return True

    def gaps(self) -> Iterator[tuple[int, int]]:
        """Yield first and last of the sequences of which no copy was read."""
        return self._runs(~self.seen)

    def altered(self) -> Iterator[tuple[int, int]]:
        """Yield first and last of the sequences of which only altered copies were read."""
        return self._runs(self.seen & ~self.proven)

    def _runs(self, mask: int) -> Iterator[tuple[int, int]]:
        """Yield the runs of bits that are set, as first and last sequence."""
        size, at = self.end - self.start, 0
        mask &= (1 << size) - 1
        while mask >> at:
            rest = mask >> at
            first = at + (rest & -rest).bit_length() - 1
            inverse = ~(mask >> first)
            at = first + (inverse & -inverse).bit_length() - 1
            yield self.start + first, self.start + at - 1


class SignedIntervals:
    """The signed intervals of one producer that are not whole, in order of their sequences."""

    __slots__ = ("_intervals",)

    def __init__(self) -> None:
        self._intervals: list[SignedInterval] = []

    def __iter__(self) -> Iterator[SignedInterval]:
        return iter(self._intervals)

    def add(self, interval: SignedInterval) -> None:
        """Keep an interval until it is whole."""
        insort(self._intervals, interval, key=_start)

    def remove(self, interval: SignedInterval) -> None:
        """Forget an interval that is whole."""
        number = bisect_right(self._intervals, interval.start, key=_start) - 1
        del self._intervals[number]

    def at(self, sequence: int) -> SignedInterval | None:
        """Return the interval that a sequence belongs to, or None."""
        if not self._intervals:
            return None
        number = bisect_right(self._intervals, sequence, key=_start) - 1
        if number < 0 or sequence >= self._intervals[number].end:
            return None
        return self._intervals[number]

    def copy(self) -> list[SignedInterval]:
        """Return copies of the intervals."""
        return [replace(interval) for interval in self._intervals]

    def restore(self, intervals: Iterable[SignedInterval]) -> None:
        """Continue with the intervals of an earlier verification, which are in order."""
        self._intervals = [replace(interval) for interval in intervals]


def _start(interval: SignedInterval) -> int:
    return interval.start
