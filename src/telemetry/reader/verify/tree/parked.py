"""Keeps the intervals between checkpoints that cannot be proven yet, and proves them when their records arrive."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, product

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import HASH_BYTES, Frontier
from telemetry.reader.verify.tree.copies import DifferingCopies, DifferingCopy
from telemetry.reader.verify.tree.held_leaves import HeldLeaves
from telemetry.reader.verify.tree.proven import ProvenRecords

_MAX_TRIALS = 512
"""Choices among differing copies that are tried for one interval; each costs one tree of it."""


@dataclass(slots=True)
class ParkedInterval:
    """An interval between two checkpoints that is not proven.

    Attributes:
        start: First sequence.
        end: One more than the last sequence.
        checkpoint: The checkpoint at its end.
        absent: How many of its records have not been seen.
        held_from: First sequence whose leaf hash is held; those before are in ``tree``.
        tree: The tree up to ``held_from``; None when there was no room to hold all leaf hashes.
        refuted: All records were seen, and their root is not the signed one.
    """

    start: int
    end: int
    checkpoint: Checkpoint
    absent: int
    held_from: int
    tree: Frontier | None
    refuted: bool = False


class ParkedIntervals:
    """The parked intervals of one producer, in order of their sequences.

    Args:
        held: Leaf hashes of their records.
        proven: Gets the records of an interval that is proven after all.
    """

    __slots__ = ("_held", "_intervals", "_proven")

    def __init__(self, held: HeldLeaves, proven: ProvenRecords) -> None:
        self._held = held
        self._proven = proven
        self._intervals: list[ParkedInterval] = []

    def __iter__(self) -> Iterator[ParkedInterval]:
        return iter(self._intervals)

    def add(self, interval: ParkedInterval) -> None:
        """Park an interval."""
        insort(self._intervals, interval, key=_start)

    def at(self, sequence: int) -> ParkedInterval | None:
        """Return the interval that a sequence belongs to, or None."""
        number = bisect_right(self._intervals, sequence, key=_start) - 1
        if number < 0 or sequence >= self._intervals[number].end:
            return None
        return self._intervals[number]

    def note_arrival(self, sequence: int) -> None:
        """Count a late record, now held, for its interval; prove the interval if it was the last one absent."""
        interval = self.at(sequence)
        if interval is not None:
            interval.absent -= 1
            if interval.absent == 0:
                self._prove(interval)

    def split(self, checkpoint: Checkpoint) -> None:
        """Cut an interval in two where a late checkpoint allows it: a gap then leaves fewer records unproven."""
        interval, tree, size = self.at(checkpoint.size), checkpoint.tree(), checkpoint.size
        if interval is None or interval.tree is None or tree is None or interval.held_from >= size:
            return
        self._intervals.remove(interval)
        absent = size - interval.held_from - self._held.window.count_in(interval.held_from, size)
        left = ParkedInterval(interval.start, size, checkpoint, absent, interval.held_from, interval.tree)
        right = ParkedInterval(size, interval.end, interval.checkpoint, interval.absent - absent, size, tree)
        for part in (left, right):
            self.add(part)
            if part.absent == 0:
                self._prove(part)

    def take(self, start: int, end: int) -> bool:
        """Remove the interval with these bounds if all of its records that were seen are held; return whether it was one."""
        interval = self.at(start)
        if interval is None or (interval.start, interval.held_from, interval.end) != (start, start, end):
            return False
        if interval.tree is None:
            return False
        self._intervals.remove(interval)
        return True

    def try_copies(self) -> None:
        """Look for the copies that lead to the signed roots, in every interval of which all records were seen."""
        for interval in [interval for interval in self._intervals if interval.absent == 0]:
            self._try_copies_in(interval)

    def gaps(self, interval: ParkedInterval) -> Iterator[tuple[int, int]]:
        """Yield first and last of the sequences of an interval that were never seen."""
        if interval.absent:
            yield from self._held.gaps(interval.held_from, interval.end)

    def restore(self, intervals: Iterable[ParkedInterval]) -> None:
        """Continue with the intervals of an earlier verification, which are in order."""
        self._intervals = [replace(interval) for interval in intervals]

    def _prove(self, interval: ParkedInterval, leaves: bytes | None = None) -> bool:
        """Compare the root of an interval, all of whose records were seen, with the signed one.

        Args:
            interval: The interval.
            leaves: Leaf hashes from ``held_from`` on; None for those of the records read first.

        Returns:
            Whether it is proven; it is not parked any more then.
        """
        # Some leaf hashes found no room: the root cannot be computed.
        if interval.tree is None:
            return False
        leaves = leaves or self._held.window.read(interval.held_from, interval.end)
        tree = interval.tree.copy()
        tree.extend_packed(leaves)
        if tree.root() != interval.checkpoint.root:
            interval.refuted = True
            return False
        # From here on its records are like all proven ones: digests instead of leaf hashes.
        self._intervals.remove(interval)
        self._held.window.take(interval.held_from, interval.end)
        self._proven.remember(interval.held_from, leaves)
        self._proven.prove(interval.start, interval.end)
        return True

    def _try_copies_in(self, interval: ParkedInterval) -> None:
        copies = self._proven.copies
        disputed = [sequence for sequence in copies.conflicts if interval.held_from <= sequence < interval.end]
        if interval.tree is None or not disputed:
            return
        # The record read first may be the forgery, and its copy the record that was signed.
        leaves = self._held.window.read(interval.held_from, interval.end)
        for chosen in _choices(copies, disputed):
            trial = bytearray(leaves)
            for copy in chosen:
                at = (copy.sequence - interval.held_from) * HASH_BYTES
                trial[at : at + HASH_BYTES] = copy.leaf
            if self._prove(interval, bytes(trial)):
                copies.blame_first(interval.held_from, leaves, chosen)
                return


def _choices(copies: DifferingCopies, disputed: list[int]) -> Iterator[list[DifferingCopy]]:
    """Yield which copies replace the records read first; the choice of none of them was tried before."""
    options = [[None, *copies.conflicts[sequence]] for sequence in disputed]
    for chosen in islice(product(*options), 1, _MAX_TRIALS):
        yield [copy for copy in chosen if copy is not None]


def _start(interval: ParkedInterval) -> int:
    return interval.start
