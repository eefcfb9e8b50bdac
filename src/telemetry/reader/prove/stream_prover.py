"""Collects what the proofs of some records of one stream need, while a trail is read."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import NamedTuple

from telemetry.exceptions import IncompleteError, TamperedError
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.inclusion import InclusionProof
from telemetry.format.proof.leaves import IntervalLeaves
from telemetry.format.proof.merkle import Frontier, InclusionPathBuilder, leaf_hash, split_hashes, verify_inclusion
from telemetry.reader.prove.candidates import Candidates
from telemetry.reader.trust.judgement import Judgement
from telemetry.reader.verify.checkpoint_judge import JudgedCheckpoint
from telemetry.reader.verify.tree.leaf_window import LeafBudget, LeafWindow

MAX_CANDIDATES = 16
"""Different records that claim one sequence, where no signed leaf hash tells which one was signed."""
MAX_VARIANTS = 4_096
"""Choices that are tried where several records claim one sequence: only the root shows which one was signed."""

_END = 1 << 63
"""Past every sequence."""


class SignedEnd(NamedTuple):
    """A checkpoint that covers a record, its note, and why it is believed."""

    checkpoint: Checkpoint
    note: str
    believed: tuple[Judgement, ...]


class _SignedLeaf(NamedTuple):
    """The leaf hash that was signed in the place of a record, and its path."""

    leaf: bytes
    path: tuple[bytes, ...]


class _Rival(NamedTuple):
    """Another leaf hash of a number that has one, and how many such were read before."""

    arrival: int
    leaf: bytes


class _Position:
    """One record to be proven, and the nearest checkpoints on both sides of it: they need the fewest records between."""

    __slots__ = ("candidates", "end", "removed", "sequence", "signed", "start")

    def __init__(self, sequence: int, candidates: Candidates) -> None:
        self.sequence = sequence
        self.candidates = candidates
        # Leaf hash of a record whose value was removed on request.
        self.removed: bytes | None = None
        self.start = Frontier()
        self.end: SignedEnd | None = None
        self.signed: _SignedLeaf | None = None

    @property
    def end_size(self) -> float:
        """Where the interval ends, as far as it is known."""
        return self.end.checkpoint.size if self.end is not None else math.inf


class StreamProver:
    """The records of one stream that are to be proven share the leaf hashes around them and the checkpoints.

    Args:
        producer: UUIDv7 of the producer.
        candidates: For the number of each record, where to keep the records that claim it.
        budget: Leaf hashes that may be held, shared with other streams.
    """

    def __init__(
        self,
        producer: str,
        candidates: Mapping[int, Candidates],
        *,
        budget: LeafBudget,
    ) -> None:
        self._producer = producer
        self._positions = {sequence: _Position(sequence, kept) for sequence, kept in candidates.items()}
        # In order. The known checkpoints divide the stream into intervals; a leaf hash is needed if one of these positions
        # is in its interval, and so if the nearest one before or after it is.
        self._all = sorted(self._positions)
        self._open = list(self._all)
        self._window = LeafWindow(budget)
        self._rivals: dict[int, list[_Rival]] = {}
        self._arrivals = 0
        self._rival_numbers: list[int] = []

    @property
    def held(self) -> int:
        """How many leaf hashes are held."""
        return self._window.count

    def observe_event(self, sequence: int, value: bytes) -> None:
        """Observe a record of the stream.

        Raises:
            StorageError: What does not fit into memory cannot be written.
        """
        position = self._positions.get(sequence)
        if position is not None:
            position.candidates.add(value)
        nearest = self._interval_of(sequence)
        if nearest is not None:
            self._keep(sequence, leaf_hash(value), nearest)

    def observe_leaf(self, sequence: int, leaf: bytes) -> None:
        """Observe what is left of a record of the stream whose value was removed on request.

        Raises:
            StorageError: What does not fit into memory cannot be written.
        """
        position = self._positions.get(sequence)
        if position is not None:
            position.removed = leaf
        nearest = self._interval_of(sequence)
        if nearest is not None:
            self._keep(sequence, leaf, nearest)

    def _keep(self, sequence: int, leaf: bytes, nearest: _Position) -> None:
        """Keep a leaf hash that is needed, as far as the intervals are known."""
        position, known = self._positions.get(sequence), self._window.get(sequence)
        if known is None:
            self._window.put(sequence, leaf)
        elif known != leaf and (position is None or len(self._positions) > 1):
            # The candidates of the only position are tried anyway; those of several are neighbours of each other.
            self._add_rival(sequence, leaf, nearest)

    def observe_checkpoint(self, judged: JudgedCheckpoint, note: str) -> None:
        """Observe a checkpoint of the stream that is believed.

        1. If it brings the leaf hashes of its interval along, they prove the records there, and no other record is needed.
        2. It may be the nearest one after the records before it.
        3. It may be the nearest one before the records after it.
        4. What lies between two checkpoints without a position is needed no more.
        """
        checkpoint = judged.checkpoint
        if checkpoint is None:
            return
        size, end = checkpoint.size, SignedEnd(checkpoint, note, judged.accepted)
        # 1.
        if checkpoint.interval is not None and self._wants_leaves(checkpoint.interval, size):
            leaves = judged.leaves()
            if leaves is not None:
                self._settle(leaves, end)
        # 2. The nearest ends rise with the sequence, so the first one that is near enough ends the search.
        for sequence in reversed(self._open[: bisect_left(self._open, size)]):
            position = self._positions[sequence]
            if position.end_size <= size:
                break
            position.end = end
        # 3. So do the nearest starts.
        tree = checkpoint.tree()
        if tree is not None:
            for sequence in islice(self._open, bisect_left(self._open, tree.size), None):
                position = self._positions[sequence]
                if position.start.size >= tree.size:
                    break
                position.start = tree
        # 4.
        self._forget_around(size)

    def proof(self, sequence: int) -> tuple[InclusionProof, tuple[Judgement, ...]]:
        """Return the proof of a record, and why its checkpoint is believed.

        1. The record was read, and a key that is believed signed a checkpoint that covers it.
        2. If the checkpoint brings the leaf hashes of its interval along, they tell which record was signed, and are the
           path; no other record is needed.
        3. Otherwise all records between the checkpoints on both sides of it were read, and lead from the first
           checkpoint to the root of the second; the path of the record is part of that.

        Raises:
            IncompleteError: The record, a checkpoint that covers it, or a record between the checkpoints is missing.
            TamperedError: The records are not those that were signed.
        """
        # 1. The record and its checkpoint.
        position = self._positions[sequence]
        if not len(position.candidates) and position.removed is not None:
            self.require_signed(sequence, position.removed)
            message = (
                f"the value of sequence {sequence} of producer {self._producer} was removed on request, so there is nothing "
                "to prove; the leaf hash that is left of it is the one that was signed"
            )
            raise IncompleteError(message)
        if not len(position.candidates):
            message = f"sequence {sequence} of producer {self._producer} is not in the trail that was read"
            raise IncompleteError(message)
        if position.end is None:
            message = f"no checkpoint of a trusted key covers sequence {sequence} of producer {self._producer} yet"
            raise IncompleteError(message)
        # 2. The leaves.
        if position.signed is not None:
            return self._from_leaves(position, position.signed, position.end), position.end.believed
        # 3. The records between.
        return self._from_records(position, position.end), position.end.believed

    def require_signed(self, sequence: int, leaf: bytes) -> None:
        """Check that a leaf hash, which is all that is left of a record, is the one that was signed in its place.

        Raises:
            IncompleteError: A checkpoint that covers it, or a record between the checkpoints is missing.
            TamperedError: It is not.
        """
        position = self._positions[sequence]
        if position.end is None:
            message = f"no checkpoint of a trusted key covers sequence {sequence} of producer {self._producer} yet"
            raise IncompleteError(message)
        if position.signed is not None:
            is_signed = position.signed.leaf == leaf
        else:
            is_signed = any(
                _path(position, leaf, variant, position.end.checkpoint) is not None
                for variant in self._variants(position, self._between(position, position.end.checkpoint))
            )
        if not is_signed:
            message = (
                f"the leaf hash that is left of sequence {sequence} of producer {self._producer} does not lead to the root that "
                "was signed: it was altered, or a record between the checkpoints was"
            )
            raise TamperedError(message)

    def _from_leaves(self, position: _Position, signed: _SignedLeaf, end: SignedEnd) -> InclusionProof:
        value = position.candidates.get(signed.leaf)
        if value is None:
            which = "it was altered" if not position.candidates.dropped else "too many records claim its sequence"
            message = (
                f"sequence {position.sequence} of producer {self._producer} was read, and is not the record that was "
                f"signed: {which}; `telemetry verify` names each copy"
            )
            raise TamperedError(message)
        return InclusionProof(sequence=position.sequence, path=signed.path, checkpoint=end.note, value=value)

    def _from_records(self, position: _Position, end: SignedEnd) -> InclusionProof:
        start, checkpoint = position.start.size, end.checkpoint
        leaves = self._between(position, checkpoint)
        # Forged records may claim the same sequences: one choice among them leads to the signed root.
        values = list(position.candidates.first(MAX_CANDIDATES))
        for variant in self._variants(position, leaves):
            for value in values:
                path = _path(position, leaf_hash(value), variant, checkpoint)
                if path is not None:
                    return InclusionProof(
                        sequence=position.sequence, path=tuple(path), checkpoint=end.note, value=value
                    )
        message = (
            f"the records {start} to {checkpoint.size - 1} of producer {self._producer} are not those that "
            "were signed: at least one was altered; `telemetry verify` shows which"
        )
        raise TamperedError(message)

    def _between(self, position: _Position, checkpoint: Checkpoint) -> list[bytes]:
        """Return the leaf hashes between the checkpoints on both sides of a record."""
        start = position.start.size
        gap = next(self._window.absent(start, checkpoint.size), None)
        if gap is not None:
            message = f"sequences {gap[0]} to {gap[1]} of producer {self._producer} are missing: the proof needs them"
            raise IncompleteError(message)
        return split_hashes(self._window.read(start, checkpoint.size))

    def _variants(self, position: _Position, leaves: list[bytes]) -> Iterator[list[bytes]]:
        """Yield the leaves with every choice among the records that claim the same sequence."""
        start = position.start.size
        others = [number for number in self._rivals_in(start, start + len(leaves)) if number != position.sequence]
        # The first that were read: those of a record's own number do not count, since its candidates are tried anyway.
        kept = sorted((rival, number) for number in others for rival in self._rivals[number])[:MAX_CANDIDATES]
        numbers = sorted({number for _, number in kept})
        choices = product(
            *([leaves[number - start], *(rival.leaf for rival, n in kept if n == number)] for number in numbers)
        )
        for choice in islice(choices, MAX_VARIANTS):
            variant = list(leaves)
            for number, leaf in zip(numbers, choice, strict=True):
                variant[number - start] = leaf
            yield variant

    def _interval_of(self, sequence: int) -> _Position | None:
        """Return an open position in whose interval a record is; None if there is none."""
        at = bisect_right(self._open, sequence)
        if at and (before := self._positions[self._open[at - 1]]).end_size > sequence:
            return before
        if at < len(self._open) and (after := self._positions[self._open[at]]).start.size <= sequence:
            return after
        return None

    def _wants_leaves(self, start: int, size: int) -> bool:
        first, last = bisect_left(self._all, start), bisect_left(self._all, size)
        # Of several checkpoints with leaves the nearest counts; the others cost no hash.
        return any(
            self._positions[sequence].signed is None or self._positions[sequence].end_size > size
            for sequence in self._all[first:last]
        )

    def _settle(self, leaves: IntervalLeaves, end: SignedEnd) -> None:
        size = end.checkpoint.size
        for sequence in self._all[bisect_left(self._all, leaves.start) : bisect_left(self._all, size)]:
            position = self._positions[sequence]
            # Signed leaves need nothing else, so they are better than a nearer end without them.
            if position.signed is not None and position.end_size <= size:
                continue
            if position.signed is None:
                del self._open[bisect_left(self._open, sequence)]
            builder = InclusionPathBuilder(sequence, after=leaves.tree())
            for leaf in split_hashes(leaves.leaves):
                builder.append(leaf)
            position.signed, position.end = _SignedLeaf(leaves.leaf(sequence), tuple(builder.path())), end

    def _forget_around(self, size: int) -> None:
        """Drop leaf hashes and rivals on both sides of a checkpoint that no position needs."""
        at = bisect_left(self._open, size)
        first = self._positions[self._open[at - 1]].end_size if at else 0
        last = self._positions[self._open[at]].start.size if at < len(self._open) else math.inf
        if first < last:
            end = int(last) if last < math.inf else _END
            self._window.take(int(first), end)
            for number in self._rivals_in(int(first), end):
                del self._rivals[number]
            low, high = bisect_left(self._rival_numbers, first), bisect_left(self._rival_numbers, end)
            del self._rival_numbers[low:high]

    def _rivals_in(self, start: int, end: float) -> list[int]:
        low, high = bisect_left(self._rival_numbers, start), bisect_left(self._rival_numbers, end)
        return self._rival_numbers[low:high]

    def _add_rival(self, sequence: int, leaf: bytes, interval: _Position) -> None:
        rivals = self._rivals.get(sequence, [])
        if len(rivals) >= MAX_CANDIDATES or any(rival.leaf == leaf for rival in rivals):
            return
        # Counted for each interval, so that forgeries in one of them leave room in the others; and twice as many as one proof
        # tries, because each proof leaves out those of its own number.
        others = self._rivals_in(interval.start.size, interval.end_size)
        if sum(len(self._rivals[number]) for number in others) >= 2 * MAX_CANDIDATES:
            return
        if not rivals:
            insort(self._rival_numbers, sequence)
        self._arrivals += 1
        self._rivals[sequence] = [*rivals, _Rival(self._arrivals, leaf)]


def _path(position: _Position, leaf: bytes, leaves: list[bytes], checkpoint: Checkpoint) -> list[bytes] | None:
    """Return the path from a record to the signed root, or None if it leads to another one."""
    builder = InclusionPathBuilder(position.sequence, after=position.start)
    for number, other in enumerate(leaves, start=position.start.size):
        builder.append(leaf if number == position.sequence else other)
    path = builder.path()
    try:
        verify_inclusion(leaf, index=position.sequence, size=checkpoint.size, path=path, root=checkpoint.root)
    except TamperedError:
        return None
    return path
