"""Folds one producer's records into its signed trees, whatever the order in which they are read.

The checkpoints cut the stream into intervals. A checkpoint carries the frontier of its tree, so each interval is proven
on its own: from the frontier at its start, through the leaf hashes of its records, to the signed root at its end. An
interval that cannot be proven yet is parked, and the ones after it are proven without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import HASH_BYTES, Frontier
from telemetry.reader.entry import Place
from telemetry.reader.verify.tree.copies import DifferingCopies, DifferingCopy
from telemetry.reader.verify.tree.digests import ProvenDigests
from telemetry.reader.verify.tree.held_leaves import HeldLeaves
from telemetry.reader.verify.tree.leaf_window import LeafWindow
from telemetry.reader.verify.tree.parked import ParkedInterval, ParkedIntervals
from telemetry.reader.verify.tree.proven import ProvenRecords, RecordCounts
from telemetry.reader.verify.tree.signed_trees import SignedTrees

TAIL_LEAVES = 1 << 20
"""Leaf hashes in sequence that wait for a checkpoint; a longer tail is folded into the tree unproven."""
JUMP_LEAVES = 4_096
"""Records beyond a gap after which the interval with the gap is parked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSnapshot:
    """Everything that a :class:`StreamTree` needs to continue later; it shares nothing with the tree.

    Attributes:
        folded: The tree up to the records of ``tail``.
        segment_start: Sequence at which the stretch begins that the next checkpoint proves.
        next_sequence: First sequence after ``tail``.
        last: Last record that came in sequence; -1 for none.
        highest: Highest record that came out of sequence; -1 for none.
        tail: Leaf hashes of the records between ``folded`` and ``next_sequence``.
        runs: Leaf hashes of records out of sequence, by first sequence.
        unheld: Ranges of sequences that were seen without room for their leaf hashes.
        parked: Intervals that are not proven, in order.
        pending: Checkpoints ahead of the records, in order.
        roots: Root hash of each signed size.
        passed: Checkpoint at ``segment_start``.
        counts: Records by what became of them.
        conflicts: Copies that no tree has judged yet.
        altered: Copies that a tree has shown to be altered.
    """

    folded: Frontier
    segment_start: int
    next_sequence: int
    last: int
    highest: int
    tail: bytes
    runs: list[tuple[int, bytes]]
    unheld: list[tuple[int, int]]
    parked: list[ParkedInterval]
    pending: list[Checkpoint]
    roots: dict[int, bytes]
    passed: Checkpoint | None
    counts: RecordCounts
    conflicts: list[DifferingCopy]
    altered: list[DifferingCopy]


class StreamTree:
    """Folds leaf hashes into signed trees.

    The records are in one of four states. *Tail*: in sequence, after the folded tree. *Ahead*: beyond a gap, held.
    *Parked*: in an interval with a gap or with a wrong root. *Folded*: their leaf hashes are gone, the tree holds them.

    Args:
        window: Holds what cannot be folded yet.
        digests: Remembers what is folded, to judge later copies.

    Attributes:
        counts: Records by what became of them.
        held: Records that are ahead or parked.
        signed: What trusted keys signed.
        parked: Intervals that are not proven.
    """

    def __init__(self, window: LeafWindow, digests: ProvenDigests) -> None:
        self.counts = RecordCounts()
        self.held = HeldLeaves(window)
        self.signed = SignedTrees()
        self._proven = ProvenRecords(digests, self.counts)
        self.parked = ParkedIntervals(self.held, self._proven)
        self._folded = Frontier()
        self._tail = bytearray()
        self._segment_start = 0
        self._next_sequence = 0
        self._last = -1
        self._ahead = 0
        # The size at which the tail reaches the next checkpoint or its bound: add() compares one number.
        self._due = TAIL_LEAVES

    def add(self, sequence: int, leaf: bytes, place: Place) -> bool:
        """Add a record; return whether it is seen for the first time.

        Args:
            sequence: Sequence of the record.
            leaf: Leaf hash of its value.
            place: Where the record is.
        """
        # Nearly every record takes this path: no search, no copy of a leaf hash.
        if sequence == self._next_sequence:
            self._tail += leaf
            self._last = sequence
            self._next_sequence = sequence + 1
            self.counts.records += 1
            if self._ahead or self._next_sequence >= self._due:
                self._advance()
            return True
        # A number that was seen is a copy; any other came out of sequence.
        known = self._known(sequence)
        if known is None:
            return self._add_out_of_sequence(sequence, leaf)
        if not known:
            # Proven so long ago that its digest was dropped: neither equal nor altered can be said.
            self.counts.uncompared += 1
        elif leaf.startswith(known):
            self.counts.duplicates += 1
        else:
            self._proven.copies.add(DifferingCopy(sequence, leaf, place), is_proven=self.is_proven(sequence))
        return False

    def add_checkpoint(self, checkpoint: Checkpoint) -> bool:
        """Add what a trusted key signed; return False when another root was signed for the same size."""
        if not self.signed.add_root(checkpoint):
            return False
        if checkpoint.size > self._folded.size:
            if self.signed.add_pending(checkpoint):
                self._advance()
        elif checkpoint.size == self._folded.size and self._segment_start < self._folded.size:
            # A long tail was folded up to just this size before its checkpoint was read.
            self._judge(checkpoint, self._folded, b"")
        else:
            self.parked.split(checkpoint)
        return True

    def finish(self) -> None:
        """Park every interval that a gap cuts off, and judge the copies by the trees; may be called again."""
        # Each jump ends at a checkpoint, so there are at most as many as checkpoints pending.
        self._advance()
        while self._jump():
            pass
        self.parked.try_copies()

    @property
    def copies(self) -> DifferingCopies:
        """Copies that differ from the record read first."""
        return self._proven.copies

    @property
    def seen_end(self) -> int:
        """One more than the highest sequence of a record that was seen."""
        return max(self._last, self.held.highest) + 1

    def tail_gaps(self) -> Iterator[tuple[int, int]]:
        """Yield the gaps after the last interval, as first and last sequence."""
        yield from self.held.gaps(self._next_sequence, max(self.seen_end, *self.signed.roots))

    def is_proven(self, sequence: int) -> bool:
        """Return whether a record is in a signed tree."""
        return sequence < self._segment_start and self.parked.at(sequence) is None

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
            runs=list(self.held.window.runs()),
            unheld=self.held.unheld.ranges(),
            parked=[replace(interval) for interval in self.parked],
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
        self.signed.restore(snapshot.roots, snapshot.pending, snapshot.passed)
        self._proven.copies.restore(snapshot.conflicts, snapshot.altered)
        self.counts.restore(snapshot.counts)
        if self.held.highest >= self._next_sequence:
            self._ahead = self.held.window.count_in(self._next_sequence, self.held.highest + 1)
        self._advance()

    def _known(self, sequence: int) -> bytes | None:
        """Return what is known of a record's leaf hash: its first bytes, nothing when forgotten, None when not seen."""
        if sequence >= self._next_sequence:
            return self.held.window.get(sequence)
        if sequence >= self._folded.size:
            at = (sequence - self._folded.size) * HASH_BYTES
            return bytes(self._tail[at : at + HASH_BYTES])
        interval = self.parked.at(sequence)
        if interval is not None and sequence >= interval.held_from:
            return self.held.window.get(sequence)
        return self._proven.digest(sequence) or b""

    def _add_out_of_sequence(self, sequence: int, leaf: bytes) -> bool:
        if not self.held.put(sequence, leaf):
            # Without its leaf hash it cannot be compared with a copy, only recognised by its number.
            if not self.held.unheld.add(sequence):
                self.counts.uncompared += 1
                return False
            self.counts.records += 1
            return True
        self.counts.records += 1
        if sequence > self._next_sequence:
            self._ahead += 1
            # So many records after a gap: it will hardly be filled by records that are only late.
            if self._ahead > JUMP_LEAVES:
                self._jump()
        else:
            self.parked.note_arrival(sequence)
        return True

    def _advance(self) -> None:
        """Go as far as records in sequence and checkpoints lead."""
        pending = self.signed.pending
        while True:
            # Records that were ahead may now continue the sequence.
            if self._ahead:
                run = self.held.window.take_run(self._next_sequence)
                self._tail += run
                self._next_sequence += len(run) // HASH_BYTES
                self._ahead -= len(run) // HASH_BYTES
            if pending and pending[0].size <= self._next_sequence:
                self._fold_to(pending.pop(0))
            elif self._next_sequence - self._folded.size >= TAIL_LEAVES:
                self._fold_unproven(TAIL_LEAVES // 2)
            else:
                break
        limit = self._folded.size + TAIL_LEAVES
        self._due = min(pending[0].size, limit) if pending else limit

    def _fold_to(self, checkpoint: Checkpoint) -> None:
        """Fold the records up to a checkpoint, and compare their root with the signed one."""
        tree, leaves = self._fold(checkpoint.size - self._folded.size)
        self._judge(checkpoint, tree, leaves)

    def _fold_unproven(self, count: int) -> None:
        """Fold the oldest records although no checkpoint has come; a later one proves them with the rest."""
        tree, leaves = self._fold(count)
        self._proven.remember(self._folded.size, leaves)
        self._folded = tree

    def _fold(self, count: int) -> tuple[Frontier, bytes]:
        """Remove leaf hashes from the tail; return the tree with them, and the leaf hashes."""
        leaves = bytes(self._tail[: count * HASH_BYTES])
        del self._tail[: count * HASH_BYTES]
        tree = self._folded.copy()
        tree.extend_packed(leaves)
        return tree, leaves

    def _judge(self, checkpoint: Checkpoint, tree: Frontier, leaves: bytes) -> None:
        """Compare the tree of the records with the signed one.

        Args:
            checkpoint: What was signed.
            tree: The folded tree with ``leaves``.
            leaves: Leaf hashes that are not folded yet.
        """
        if tree.root() == checkpoint.root:
            self._proven.remember(self._folded.size, leaves)
            self._folded = tree
            self._proven.prove(self._segment_start, checkpoint.size)
        else:
            # A copy that is read later may be the signed record: the leaf hashes are held until then.
            self._park(checkpoint, 0, leaves, refuted=True)
            # What follows is proven from the signed tree, or else from the records as they are.
            self._folded = checkpoint.tree() or tree
        self._segment_start, self.signed.passed = checkpoint.size, checkpoint

    def _jump(self) -> bool:
        """Park the interval with the next gap if a checkpoint allows to continue after it; return whether it did."""
        checkpoint = self.signed.take_resumable()
        if checkpoint is None:
            return False
        # Beyond the gap, but in front of the checkpoint: these records stay in the window, with the parked interval.
        beyond = self.held.window.count_in(self._next_sequence, checkpoint.size)
        self._park(checkpoint, checkpoint.size - self._next_sequence - beyond, self._tail)
        self._ahead -= beyond
        self._tail.clear()
        self._folded = checkpoint.tree() or self._folded
        self._segment_start = self._next_sequence = checkpoint.size
        self.signed.passed = checkpoint
        self._advance()
        return True

    def _park(self, checkpoint: Checkpoint, absent: int, leaves: bytes | bytearray, *, refuted: bool = False) -> None:
        """Park the stretch up to a checkpoint, of which ``leaves`` are not folded."""
        held_from = self._folded.size
        tree = self._folded if self.held.put_run(held_from, leaves) else None
        self.parked.add(
            ParkedInterval(self._segment_start, checkpoint.size, checkpoint, absent, held_from, tree, refuted)
        )
