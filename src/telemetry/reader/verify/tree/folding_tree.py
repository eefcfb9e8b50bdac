"""Folds one producer's records into its signed trees, whatever the order in which they are read.

The checkpoints cut the stream into intervals. A checkpoint brings the leaf hashes of its interval along, proven by its
root: each copy of a record is then judged by itself. Where they are absent (version 1, a mirror without headers), the
frontier at the start of the interval, extended by the records, must lead to the root at its end. Such an interval is
parked until all its records are there, and the ones after it are proven without it.
"""

from __future__ import annotations

from collections.abc import Iterator

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.leaves import IntervalLeaves
from telemetry.format.proof.merkle import HASH_BYTES, Frontier, split_hashes
from telemetry.reader.entry import Place
from telemetry.reader.verify.tree.copies import DifferingCopies, DifferingCopy
from telemetry.reader.verify.tree.digests import DigestBudget, ProvenDigests
from telemetry.reader.verify.tree.held_leaves import HeldLeaves
from telemetry.reader.verify.tree.leaf_judge import LeafJudge
from telemetry.reader.verify.tree.leaf_window import LeafBudget, LeafWindow
from telemetry.reader.verify.tree.parked import ParkedInterval, ParkedIntervals
from telemetry.reader.verify.tree.proven import ProvenRecords, RecordCounts
from telemetry.reader.verify.tree.recent_places import MAX_PLACES, RecentPlaces
from telemetry.reader.verify.tree.signed_leaves import SignedInterval
from telemetry.reader.verify.tree.signed_trees import SignedTrees, checkpoint_before
from telemetry.reader.verify.tree.youth import YOUNG_STEP, Outside, Youth

TAIL_LEAVES = 1 << 20
"""Leaf hashes in sequence that wait for a checkpoint; a longer tail is folded into the tree unproven."""
JUMP_LEAVES = 4_096
"""Records beyond a gap after which the interval with the gap is parked."""


class FoldingTree:
    """Folds leaf hashes into signed trees.

    The records are in one of five states. *Tail*: in sequence, after the folded tree. *Ahead*: beyond a gap, held.
    *Parked*: in an interval with a gap or with a wrong root. *Signed*: in an interval whose leaves are signed, with a gap.
    *Folded*: their leaf hashes are gone, the tree holds them.

    Args:
        window: Holds what cannot be folded yet.
        digests: Remembers what is folded, to judge later copies.
        outside: Takes what finds no room. The tree is young then, until :meth:`settle`: nobody has signed for it.

    Attributes:
        counts: Records by what became of them.
        held: Records that are ahead or parked.
        signed: What trusted keys signed.
        parked: Intervals that are not proven.
        judge: Judges records whose leaf hashes are signed.
    """

    # attributes: the path of nearly every record reads and writes most of them; a look-up more would cost it
    def __init__(self, window: LeafWindow, digests: ProvenDigests, outside: Outside | None = None) -> None:
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
        self._youth = Youth(window, outside)
        self._due = TAIL_LEAVES if self._youth.is_over else YOUNG_STEP
        self._places = RecentPlaces()
        self._place_run = self._places.run
        self.judge = LeafJudge(self.held, self._proven, self.counts, self._places)

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
            self._place_run.append(place)
            self.counts.records += 1
            if self._ahead or self._next_sequence >= self._due:
                self._advance()
            return True
        # The leaf hash of this number is signed: no other copy matters.
        interval = self.judge.partial.at(sequence) if sequence < self._next_sequence else None
        if interval is not None:
            self._last = max(self._last, sequence)
            return self.judge.arrive(interval, sequence, leaf, place)
        # A number that was seen is a copy; any other came out of sequence.
        known = self._known(sequence)
        if known is None:
            return self._add_out_of_sequence(sequence, leaf, place)
        if not known:
            # Proven so long ago that its digest was dropped: neither equal nor altered can be said.
            self.counts.uncompared += 1
        elif leaf.startswith(known):
            self.counts.duplicates += 1
        else:
            self._add_differing(DifferingCopy(sequence, leaf, place))
        return False

    def add_checkpoint(self, checkpoint: Checkpoint, leaves: IntervalLeaves | None = None) -> bool:
        """Add what a trusted key signed; return False when another root was signed for the same size.

        Args:
            checkpoint: The checkpoint.
            leaves: The leaf hashes of its interval, which its root proves.
        """
        is_known = checkpoint.size in self.signed.roots
        is_one_history = self.signed.add_root(checkpoint)
        before = checkpoint_before(checkpoint, leaves) if leaves is not None else None
        # The root at the start of the interval is signed with the one at its end.
        if before is not None:
            is_one_history = self.signed.add_root(before) and is_one_history
        # A size between two that were passed has no root to compare; its leaves have.
        if leaves is not None and not is_known and checkpoint.size <= self._segment_start:
            is_one_history = is_one_history and not self._contradicts(leaves)
        if not is_one_history:
            return False
        if before is None or leaves is None:
            self._add_bare(checkpoint)
        else:
            self._add_with_leaves(checkpoint, before, leaves)
        return True

    def settle(self, room: LeafBudget, digests: DigestBudget) -> None:
        """End the youth of the stream: a trusted key has signed for it, so it has a share of the trusted room."""
        self._youth.end(room)
        self._proven.move_to(digests)
        self._advance()

    def records(self) -> Iterator[tuple[int, bytes, Place | None]]:
        """Yield the records that are not folded: sequence, leaf hash, and the place where it is known."""
        for start, run in ((self._folded.size, bytes(self._tail)), *self.held.window.runs()):
            for sequence, leaf in enumerate(split_hashes(run), start):
                yield sequence, leaf, self._places.get(sequence)
        for conflict in self.copies.conflicts.values():
            yield from conflict

    def move_out(self) -> None:
        """Move everything outside, and begin anew; only while the stream is young."""
        self._youth.move_out(self.records())
        self.held.window.take(0, self.held.highest + 1)
        self.held.highest = -1
        self.copies.clear()
        self._tail.clear()
        self._places.clear()
        self.counts.restore(RecordCounts())
        self._next_sequence, self._last, self._ahead = 0, -1, 0

    @property
    def copies(self) -> DifferingCopies:
        """Copies that differ from the record read first."""
        return self._proven.copies

    def is_proven(self, sequence: int) -> bool:
        """Return whether a record is in a signed tree."""
        if sequence >= self._segment_start or self.parked.at(sequence) is not None:
            return False
        interval = self.judge.partial.at(sequence)
        return interval is None or interval.is_proven(sequence)

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

    def _add_out_of_sequence(self, sequence: int, leaf: bytes, place: Place) -> bool:
        if not self.held.put(sequence, leaf):
            if self._youth.put_out(sequence, leaf, place):
                return False
            # Without its leaf hash it cannot be compared with a copy, only recognised by its number.
            if not self.held.unheld.add(sequence):
                self.counts.uncompared += 1
                return False
            self.counts.records += 1
            return True
        self._places.put(sequence, place)
        self.counts.records += 1
        if sequence > self._next_sequence:
            self._ahead += 1
            # So many records after a gap: it will hardly be filled by records that are only late.
            if self._ahead > JUMP_LEAVES:
                self._jump()
        else:
            self.parked.note_arrival(sequence)
        return True

    def _add_differing(self, copy: DifferingCopy) -> None:
        """Blame a copy that differs from the record read first, or keep it until a signed tree shows which is right."""
        if self.is_proven(copy.sequence):
            self.copies.blame(copy)
        elif not self.copies.add(copy):
            self._youth.put_out(*copy)

    def _contradicts(self, leaves: IntervalLeaves) -> bool:
        """Return whether leaves were signed that are not those of records which are proven."""
        for sequence, leaf in enumerate(split_hashes(leaves.leaves), leaves.start):
            interval = self.judge.partial.at(sequence)
            known = interval.leaf(sequence) if interval is not None else None
            if interval is None and self.parked.at(sequence) is None:
                known = self._proven.digest(sequence)
            if known is not None and not leaf.startswith(known):
                return True
        return False

    def _add_bare(self, checkpoint: Checkpoint) -> None:
        """Add a checkpoint without leaves: the records themselves must lead to its root."""
        if checkpoint.size > self._folded.size:
            if self.signed.add_pending(checkpoint):
                self._advance()
        elif checkpoint.size == self._folded.size and self._segment_start < self._folded.size:
            # A long tail was folded up to just this size before its checkpoint was read.
            self._judge(checkpoint, self._folded, b"")
        else:
            self.parked.split(checkpoint)

    def _add_with_leaves(self, checkpoint: Checkpoint, before: Checkpoint, leaves: IntervalLeaves) -> None:
        """Judge every record of an interval by its signed leaf hashes."""
        # 1. The stretch up to the interval has no leaves here: it is proven from its records, now or later.
        if before.size > self._segment_start:
            self._add_bare(before)
            while self._segment_start < before.size and self._jump():
                pass
        # 2. An interval that was passed: a part of a parked one may be it.
        if checkpoint.size <= self._segment_start:
            self.parked.split(before)
            self.parked.split(checkpoint)
            if self.parked.take(before.size, checkpoint.size):
                self.judge.judge(SignedInterval(before.size, leaves.leaves, checkpoint.time), b"")
        # 3. A long tail was folded before its checkpoints were read: only the whole of it can be proven.
        elif self._segment_start < max(self._folded.size, before.size):
            self._add_bare(checkpoint)
        # 4. The next interval, which is the usual case.
        else:
            self._judge_leaves(checkpoint, leaves.leaves[(self._segment_start - before.size) * HASH_BYTES :])
            self._advance()

    def _judge_leaves(self, checkpoint: Checkpoint, leaves: bytes) -> None:
        """Judge the records from the start of the segment up to a checkpoint, whose leaf hashes are signed."""
        start, end = self._segment_start, checkpoint.size
        tail = bytes(self._tail[: len(leaves)])
        if end > self._next_sequence:
            self._ahead -= self.held.window.count_in(self._next_sequence, end)
        if tail == leaves:
            self._proven.remember(start, leaves)
            self._proven.prove(start, end)
            self._places.drop(end)
        else:
            self.judge.judge(SignedInterval(start, leaves, checkpoint.time), tail)
        del self._tail[: len(tail)]
        tree = checkpoint.tree() or self._extended(leaves)
        self._folded, self._segment_start, self.signed.passed = tree, end, checkpoint
        self._next_sequence = max(self._next_sequence, end)

    def _extended(self, leaves: bytes) -> Frontier:
        tree = self._folded.copy()
        tree.extend_packed(leaves)
        return tree

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
            elif self._youth.is_over and self._next_sequence - self._folded.size >= TAIL_LEAVES:
                self._fold_unproven(TAIL_LEAVES // 2)
            else:
                break
        self._places.go_on(self._next_sequence, judged=self._segment_start)
        if not self._youth.is_over:
            if not self._youth.charge(len(self._tail) // HASH_BYTES):
                self.move_out()
            self._due = self._next_sequence + YOUNG_STEP
            return
        limit = min(self._folded.size + TAIL_LEAVES, self._next_sequence + MAX_PLACES // 2)
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
            self._places.drop(checkpoint.size)
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
