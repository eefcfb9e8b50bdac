"""Answers for one producer what its signed trees prove, and carries them on to a later verification."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from telemetry.reader.entry import Place
from telemetry.reader.verify.tree.folding_tree import TAIL_LEAVES, FoldingTree
from telemetry.reader.verify.tree.snapshot import TreeSnapshot
from telemetry.reader.verify.tree.youth import NOWHERE


class StreamTree(FoldingTree):
    """The tree of one producer's records, as far as it is signed, and what is known around it."""

    def recall(self, sequence: int, leaf: bytes, place: Place | None) -> None:
        """Add a record that had found no room; if there is none again, remember its number only."""
        if sequence < self.signed.size:
            youth, self._youth = self._youth, self._youth.without_outside()
            self.add(sequence, leaf, place or NOWHERE)
            self._youth = youth
        elif self.held.unheld.add(sequence):
            self.counts.records += 1

    def finish(self) -> None:
        """Park every interval that a gap cuts off, and judge the copies by the trees; may be called again."""
        # Each jump ends at a checkpoint, so there are at most as many as checkpoints pending.
        self._advance()
        while self._jump():
            pass
        self.parked.try_copies()

    @property
    def seen_end(self) -> int:
        """One more than the highest sequence of a record that was seen."""
        return max(self._last, self.held.highest) + 1

    def tail_gaps(self) -> Iterator[tuple[int, int]]:
        """Yield the gaps after the last interval, up to the largest size that was signed, as first and last sequence."""
        if self._next_sequence < self.signed.size:
            yield from self.held.gaps(self._next_sequence, self.signed.size)

    def wants_leaves(self, size: int) -> bool:
        """Return whether the leaves beside a checkpoint of this size can prove anything that is not proven."""
        is_passed = size <= self._segment_start and size in self.signed.roots
        return not is_passed or (size > 0 and self.parked.at(size - 1) is not None)

    def count_from(self, sequence: int) -> int:
        """Return how many records are known that are not before ``sequence``, which no interval reaches."""
        in_tail = max(self._next_sequence - max(sequence, self._folded.size), 0)
        first = max(sequence, self._next_sequence)
        held = self.held.window.count_in(first, self.held.highest + 1) if self.held.highest >= first else 0
        return in_tail + held + sum(max(end - max(start, first), 0) for start, end in self.held.unheld.ranges())

    def snapshot(self) -> TreeSnapshot:
        """Return everything that is needed to continue later, after a :meth:`finish`."""
        self.finish()
        copies = self._proven.copies
        return TreeSnapshot(
            folded=self._folded.copy(),
            segment_start=self._segment_start,
            next_sequence=self._next_sequence,
            last=self._last,
            highest=self.held.highest,
            tail=bytes(self._tail),
            # Nobody has signed far beyond the last checkpoint; what was written there must not fill the state.
            runs=[run for run in self.held.window.runs() if run[0] < self.signed.size + TAIL_LEAVES],
            unheld=self.held.unheld.ranges(),
            parked=[replace(interval) for interval in self.parked],
            signed=self.judge.partial.copy(),
            pending=list(self.signed.pending),
            roots=dict(self.signed.roots),
            passed=self.signed.passed,
            counts=replace(self.counts),
            conflicts=[copy for conflict in copies.conflicts.values() for copy in conflict],
            altered=list(copies.altered),
        )

    def restore(self, snapshot: TreeSnapshot) -> None:
        """Continue from a snapshot; nothing may have been added before."""
        self._folded = snapshot.folded.copy()
        self._segment_start, self._next_sequence = snapshot.segment_start, snapshot.next_sequence
        self._tail += snapshot.tail
        self._last, self.held.highest = snapshot.last, snapshot.highest
        for start, leaves in snapshot.runs:
            self.held.window.put_run(start, leaves)
        for start, end in snapshot.unheld:
            self.held.unheld.add_range(start, end)
        self.parked.restore(snapshot.parked)
        self.judge.partial.restore(snapshot.signed)
        self.signed.restore(snapshot.roots, snapshot.pending, snapshot.passed)
        self._proven.copies.restore(snapshot.conflicts, snapshot.altered)
        self.counts.restore(snapshot.counts)
        if self.held.highest >= self._next_sequence:
            self._ahead = self.held.window.count_in(self._next_sequence, self.held.highest + 1)
        self._advance()
