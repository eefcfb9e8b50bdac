"""One producer's records against its signed trees, whatever the order in which they are read.

The checkpoints cut the stream into intervals. A checkpoint carries the frontier of its tree, so each interval is proven
on its own: from the frontier at its start, through the leaf hashes of its records, to the signed root at its end. An
interval that cannot be proven yet is parked, and the ones behind it go on.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import NamedTuple

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import EMPTY_ROOT, HASH_BYTES, Frontier
from telemetry.reader.entry import Place
from telemetry.reader.verify.leaf_window import LeafWindow, ProvenDigests, UnheldSequences

TAIL_LEAVES = 1 << 20
"""Leaf hashes in sequence that wait for a checkpoint; a longer tail is folded into the tree unproven."""
JUMP_LEAVES = 4_096
"""Records beyond a gap after which the interval with the gap is parked."""
MAX_COPIES = 1_024
"""Different copies of records that are kept for judgement."""

_MAX_TRIALS = 512
_COUNTS = ("records", "proven", "duplicates", "uncompared")


class Copy(NamedTuple):
    """A copy of a record that differs from the one seen first.

    Attributes:
        sequence: Of the record.
        leaf: Its leaf hash.
        place: Where it stands; None where that was not kept.
    """

    sequence: int
    leaf: bytes
    place: Place | None


@dataclass(slots=True)
class Parked:
    """An interval between two checkpoints that is not proven.

    Attributes:
        start: First sequence.
        end: One more than the last sequence.
        checkpoint: What was signed at its end.
        need: How many of its records have not been seen.
        held_from: First sequence whose leaf hash is in the window; those before are in ``tree``.
        tree: The tree up to ``held_from``; None when there was no room to hold all leaf hashes.
        refuted: All records were seen, and they do not make the signed root.
    """

    start: int
    end: int
    checkpoint: Checkpoint
    need: int
    held_from: int
    tree: Frontier | None
    refuted: bool = False


class StreamTree:
    """Folds leaf hashes into signed trees.

    Args:
        window: Holds what cannot be folded yet.
        digests: Remembers what is proven.

    Attributes:
        base: The tree up to the last interval that is behind us.
        segment: Where the stretch begins that the next checkpoint will prove.
        next: The first sequence that has not been seen behind ``base``.
        records: Records seen, copies not counted.
        proven: Records that are in a signed tree.
        duplicates: Copies that are byte for byte the same.
        uncompared: Copies of records whose digest is no longer known.
        signed: Root hash of each signed size.
        parked: Intervals that are not proven, in order.
        conflicts: Different copies of records that are not proven, by sequence.
        altered: Copies that the tree has spoken against.
        unheld: Sequences that were seen when there was no room to hold them.
        pending: Checkpoints ahead of the records, in order.
        tail: Leaf hashes of the records between ``base`` and ``next``.
        last: The last record that came in sequence; -1 for none.
        highest: The highest sequence of a record that came out of sequence; -1 for none.
        passed: The checkpoint at ``segment``.
    """

    def __init__(self, window: LeafWindow, digests: ProvenDigests) -> None:
        self.window = window
        self.digests = digests
        self.base = Frontier()
        self.segment = 0
        self.next = 0
        self.records = 0
        self.proven = 0
        self.duplicates = 0
        self.uncompared = 0
        self.signed: dict[int, bytes] = {0: EMPTY_ROOT}
        self.parked: list[Parked] = []
        self.conflicts: dict[int, list[Copy]] = {}
        self.altered: list[Copy] = []
        self.unheld = UnheldSequences()
        self.pending: list[Checkpoint] = []
        self.tail = bytearray()
        self.last = -1
        self.highest = -1
        self.passed: Checkpoint | None = None
        self._ahead = 0
        self._copies = 0
        self._due = TAIL_LEAVES

    def add(self, sequence: int, leaf: bytes, place: Place) -> bool:
        """Take a record; return whether it is seen for the first time."""
        if sequence == self.next:
            self.tail += leaf
            self.last = sequence
            self.next = sequence + 1
            self.records += 1
            if self._ahead or self.next >= self._due:
                self._settle()
            return True
        known = self._known(sequence)
        if known is None:
            return self._add_out_of_order(sequence, leaf)
        if not known:
            self.uncompared += 1
        elif leaf.startswith(known):
            self.duplicates += 1
        else:
            self._add_copy(Copy(sequence, leaf, place))
        return False

    def add_checkpoint(self, checkpoint: Checkpoint) -> bool:
        """Take what a trusted key signed; False when another root was signed for the same size."""
        known = self.signed.setdefault(checkpoint.size, checkpoint.root)
        if known != checkpoint.root:
            return False
        if checkpoint.size > self.base.size:
            if all(other.size != checkpoint.size for other in self.pending):
                insort(self.pending, checkpoint, key=_size)
                self._settle()
        elif checkpoint.size == self.base.size and self.segment < self.base.size:
            self._judge(checkpoint, self.base, b"")
        else:
            self._split(checkpoint)
        return True

    def finish(self) -> None:
        """Park every interval that is cut off by a gap, and weigh the copies against the trees; may be called again."""
        self._settle()
        while self._jump():
            pass
        for parked in [parked for parked in self.parked if parked.need == 0]:
            self._try_copies(parked)

    @property
    def seen_end(self) -> int:
        """One more than the highest sequence of a record that was seen."""
        return max(self.last, self.highest) + 1

    def gaps(self, parked: Parked) -> Iterator[tuple[int, int]]:
        """Yield first and last of the sequences of a parked interval that were never seen."""
        if parked.need:
            yield from self._gaps(parked.held_from, parked.end)

    def tail_gaps(self) -> Iterator[tuple[int, int]]:
        """Yield the gaps behind the last interval."""
        yield from self._gaps(self.next, max(self.seen_end, *self.signed))

    def is_proven(self, sequence: int) -> bool:
        """Return whether a record is in a signed tree."""
        return sequence < self.segment and self._parked_at(sequence) is None

    def counts(self) -> dict[str, int]:
        """Return how many records were seen, by what became of them."""
        return {name: getattr(self, name) for name in _COUNTS}

    def resume(self, counts: dict[str, int]) -> None:
        """Go on from a saved state, of which everything else is in place already."""
        for name in _COUNTS:
            setattr(self, name, counts.get(name, 0))
        self._ahead = self.window.count_in(self.next, self.highest + 1) if self.highest >= self.next else 0
        self._settle()

    def tail_records(self) -> int:
        """Return how many records stand behind the last interval."""
        return self.next - self.segment + self._ahead

    def _gaps(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        for first, last in self.window.absent(start, end):
            yield from self.unheld.absent(first, last + 1)

    def _known(self, sequence: int) -> bytes | None:
        """Return what is known of a record's leaf hash: its first bytes, nothing when forgotten, None when not seen."""
        if sequence >= self.next:
            return self.window.get(sequence)
        if sequence >= self.base.size:
            at = (sequence - self.base.size) * HASH_BYTES
            return bytes(self.tail[at : at + HASH_BYTES])
        parked = self._parked_at(sequence)
        if parked is not None and sequence >= parked.held_from:
            return self.window.get(sequence)
        return self.digests.get(sequence) or b""

    def _add_out_of_order(self, sequence: int, leaf: bytes) -> bool:
        self.highest = max(self.highest, sequence)
        if not self.window.put(sequence, leaf):
            if not self.unheld.add(sequence):
                self.uncompared += 1
                return False
            self.records += 1
            return True
        self.records += 1
        if sequence > self.next:
            self._ahead += 1
            if self._ahead > JUMP_LEAVES:
                self._jump()
            return True
        parked = self._parked_at(sequence)
        if parked is not None:
            parked.need -= 1
            if parked.need == 0:
                self._retry(parked)
        return True

    def _add_copy(self, copy: Copy) -> None:
        self._copies += 1
        if copy.sequence < self.segment and self._parked_at(copy.sequence) is None:
            if len(self.altered) < MAX_COPIES:
                self.altered.append(copy)
        elif self._copies <= MAX_COPIES:
            self.conflicts.setdefault(copy.sequence, []).append(copy)

    def _settle(self) -> None:
        """Go as far as records in sequence and checkpoints lead."""
        while True:
            if self._ahead:
                run = self.window.take_run(self.next)
                self.tail += run
                self.next += len(run) // HASH_BYTES
                self._ahead -= len(run) // HASH_BYTES
            if self.pending and self.pending[0].size <= self.next:
                self._check(self.pending.pop(0))
            elif self.next - self.base.size >= TAIL_LEAVES:
                self._fold(TAIL_LEAVES // 2)
            else:
                break
        limit = self.base.size + TAIL_LEAVES
        self._due = min(self.pending[0].size, limit) if self.pending else limit

    def _check(self, checkpoint: Checkpoint) -> None:
        end = (checkpoint.size - self.base.size) * HASH_BYTES
        leaves = bytes(self.tail[:end])
        del self.tail[:end]
        tree = self.base.copy()
        tree.extend_packed(leaves)
        self._judge(checkpoint, tree, leaves)

    def _judge(self, checkpoint: Checkpoint, tree: Frontier, leaves: bytes) -> None:
        """Hold the tree of the records against the signed one; ``leaves`` are those behind ``base``."""
        if tree.root() == checkpoint.root:
            self.digests.add(self.base.size, leaves)
            self.base = tree
            self._prove(self.segment, checkpoint.size)
        else:
            held = self._hold(leaves)
            self._park(Parked(self.segment, checkpoint.size, checkpoint, 0, self.base.size, held, refuted=True))
            self.base = checkpoint.tree() or tree
        self.segment, self.passed = checkpoint.size, checkpoint

    def _fold(self, count: int) -> None:
        """Fold the oldest leaf hashes into the tree although no checkpoint has come; a later one proves them too."""
        leaves = bytes(self.tail[: count * HASH_BYTES])
        del self.tail[: count * HASH_BYTES]
        tree = self.base.copy()
        tree.extend_packed(leaves)
        self.digests.add(self.base.size, leaves)
        self.base = tree

    def _jump(self) -> bool:
        """Park the interval with the next gap, if a checkpoint allows to go on behind it."""
        at = next((at for at, found in enumerate(self.pending) if found.frontier is not None), None)
        if at is None:
            return False
        checkpoint = self.pending[at]
        del self.pending[: at + 1]
        beyond = self.window.count_in(self.next, checkpoint.size)
        need = checkpoint.size - self.next - beyond
        self._park(Parked(self.segment, checkpoint.size, checkpoint, need, self.base.size, self._hold(self.tail)))
        self._ahead -= beyond
        self.tail.clear()
        self.base = checkpoint.tree() or self.base
        self.segment = self.next = checkpoint.size
        self.passed = checkpoint
        self._settle()
        return True

    def _hold(self, leaves: bytes | bytearray) -> Frontier | None:
        """Move leaf hashes behind ``base`` to the window; return the tree in front of them if there was room for all."""
        kept = self.window.put_run(self.base.size, leaves)
        for sequence in range(self.base.size + kept, self.base.size + len(leaves) // HASH_BYTES):
            self.unheld.add(sequence)
        return self.base if kept * HASH_BYTES == len(leaves) else None

    def _split(self, checkpoint: Checkpoint) -> None:
        """Cut a parked interval where a late checkpoint allows it."""
        parked, tree, size = self._parked_at(checkpoint.size), checkpoint.tree(), checkpoint.size
        if parked is None or parked.tree is None or tree is None or parked.held_from >= size:
            return
        self.parked.remove(parked)
        need = size - parked.held_from - self.window.count_in(parked.held_from, size)
        left = Parked(parked.start, size, checkpoint, need, parked.held_from, parked.tree)
        right = Parked(size, parked.end, parked.checkpoint, parked.need - need, size, tree)
        for part in (left, right):
            self._park(part)
            if part.need == 0:
                self._retry(part)

    def _retry(self, parked: Parked, leaves: bytes | None = None) -> bool:
        """Prove a parked interval whose records are all there."""
        if parked.tree is None:
            return False
        leaves = leaves or self.window.read(parked.held_from, parked.end)
        tree = parked.tree.copy()
        tree.extend_packed(leaves)
        if tree.root() != parked.checkpoint.root:
            parked.refuted = True
            return False
        self.parked.remove(parked)
        self.window.take(parked.held_from, parked.end)
        self.digests.add(parked.held_from, leaves)
        self._prove(parked.start, parked.end)
        return True

    def _prove(self, start: int, end: int) -> None:
        self.proven += end - start
        for sequence in [sequence for sequence in self.conflicts if start <= sequence < end]:
            self.altered += self.conflicts.pop(sequence)

    def _try_copies(self, parked: Parked) -> None:
        """Look for the copies that make the signed root: the others are then altered."""
        disputed = [sequence for sequence in self.conflicts if parked.held_from <= sequence < parked.end]
        if parked.tree is None or not disputed:
            return
        leaves = self.window.read(parked.held_from, parked.end)
        choices = [[None, *self.conflicts[sequence]] for sequence in disputed]
        for chosen in islice(product(*choices), 1, _MAX_TRIALS):
            trial = bytearray(leaves)
            copies = [copy for copy in chosen if copy is not None]
            for copy in copies:
                at = (copy.sequence - parked.held_from) * HASH_BYTES
                trial[at : at + HASH_BYTES] = copy.leaf
            if self._retry(parked, bytes(trial)):
                self._blame_first(leaves, parked.held_from, copies)
                return

    def _blame_first(self, leaves: bytes, start: int, right: list[Copy]) -> None:
        """Say that the copies seen first are the altered ones, where later ones have turned out to be right."""
        for copy in right:
            at = (copy.sequence - start) * HASH_BYTES
            self.altered = [other for other in self.altered if other[:2] != copy[:2]]
            self.altered.append(Copy(copy.sequence, leaves[at : at + HASH_BYTES], None))

    def _park(self, parked: Parked) -> None:
        insort(self.parked, parked, key=_start)

    def _parked_at(self, sequence: int) -> Parked | None:
        at = bisect_right(self.parked, sequence, key=_start) - 1
        if at < 0 or sequence >= self.parked[at].end:
            return None
        return self.parked[at]


def _size(checkpoint: Checkpoint) -> int:
    return checkpoint.size


def _start(parked: Parked) -> int:
    return parked.start
