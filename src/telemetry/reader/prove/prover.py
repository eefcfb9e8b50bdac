"""Creates the inclusion proof of one record while a trail is read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice, product
from typing import NamedTuple

from telemetry.exceptions import IncompleteError, MalformedRecordError, TamperedError
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.checkpoint_message import CheckpointMessage, decode_checkpoint_message
from telemetry.format.proof.inclusion import InclusionProof
from telemetry.format.proof.leaves import IntervalLeaves
from telemetry.format.proof.merkle import Frontier, InclusionPathBuilder, leaf_hash, split_hashes, verify_inclusion
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.value.head import parse_head, parse_sequence
from telemetry.format.value.message import SEQUENCE
from telemetry.reader.entry import DamagedRecord, RawRecord
from telemetry.reader.prove.candidates import Candidates
from telemetry.reader.trust.judgement import Judgement
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.reader.verify.checkpoint_judge import CheckpointJudge
from telemetry.reader.verify.tree.leaf_window import LeafBudget, LeafWindow

MAX_HELD_EVENTS = 6_000_000
"""Leaf hashes that are held until the checkpoints on both sides of the record are known: 192 MB."""
MAX_CANDIDATES = 16
"""Different records that claim one sequence, where no signed leaf hash tells which one was signed."""
MAX_VARIANTS = 4_096
"""Choices that are tried where several records claim one sequence: only the root shows which one was signed."""


class _SignedEnd(NamedTuple):
    """The checkpoint at the end of the record's interval, its note, and why it is believed."""

    checkpoint: Checkpoint
    note: str
    believed: tuple[Judgement, ...]


class Prover:
    """Collects what the proof of a record needs: the checkpoints on both sides of it, and the records between them.

    Args:
        producer: Stream of the record.
        sequence: Sequence of the record.
        trusted: Who may sign what; or public keys that may have signed.
        source: Source of the record: what was signed for another one proves nothing. None for any.

    Attributes:
        believed: The keys that signed the checkpoint of the proof, and why each is believed; empty before the proof.
    """

    # attributes: what is known of the interval changes with every record
    def __init__(
        self,
        producer: str,
        sequence: int,
        *,
        trusted: TrustPolicy | Iterable[PublicKey],
        source: str | None = None,
    ) -> None:
        self.believed: tuple[Judgement, ...] = ()
        self._producer = producer
        self._source = source
        self._sequence = sequence
        policy = trusted if isinstance(trusted, TrustPolicy) else TrustPolicy.of_keys(trusted)
        self._judge = CheckpointJudge(policy)
        self._needle = f'"producer":"{producer}"'.encode()
        self._window = LeafWindow(LeafBudget(MAX_HELD_EVENTS))
        self._candidates = Candidates()
        self._rivals: dict[int, list[bytes]] = {}
        self._start = Frontier()
        self._end: _SignedEnd | None = None
        self._leaves: IntervalLeaves | None = None

    def observe(self, record: RawRecord | DamagedRecord) -> None:
        """Observe a record of any source; those of other producers are skipped."""
        value = None if isinstance(record, DamagedRecord) else record.value
        if value is None or not isinstance(record, RawRecord) or self._needle not in value:
            return
        try:
            message = decode_checkpoint_message(value)
            if message is not None:
                self._observe_checkpoint(message, record)
                return
            at = value.find(SEQUENCE)
            head = parse_head(value, at)
            if head["producer"] == self._producer and self._source in (None, head["source"]):
                self._observe_event(parse_sequence(value, at + len(SEQUENCE)), value)
        except MalformedRecordError:
            return  # it proves nothing; the verifier reports it

    def observe_all(self, records: Iterable[RawRecord | DamagedRecord]) -> None:
        """Observe every record of a source."""
        for record in records:
            self.observe(record)

    def proof(self) -> InclusionProof:
        """Return the proof.

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
        if not len(self._candidates):
            message = f"sequence {self._sequence} of producer {self._producer} is not in the trail that was read"
            raise IncompleteError(message)
        if self._end is None:
            message = (
                f"no checkpoint of a trusted key covers sequence {self._sequence} of producer {self._producer} yet"
            )
            raise IncompleteError(message)
        self.believed = self._end.believed
        # 2. The leaves.
        if self._leaves is not None:
            return self._from_leaves(self._end, self._leaves)
        # 3. The records between.
        return self._from_records(self._end)

    def _from_leaves(self, end: _SignedEnd, leaves: IntervalLeaves) -> InclusionProof:
        value = self._candidates.get(leaves.leaf(self._sequence))
        if value is None:
            which = "it was altered" if not self._candidates.dropped else "too many records claim its sequence"
            message = (
                f"sequence {self._sequence} of producer {self._producer} was read, and is not the record that was "
                f"signed: {which}; `telemetry verify` names each copy"
            )
            raise TamperedError(message)
        builder = InclusionPathBuilder(self._sequence, after=leaves.tree())
        for leaf in split_hashes(leaves.leaves):
            builder.append(leaf)
        return InclusionProof(sequence=self._sequence, path=tuple(builder.path()), checkpoint=end.note, value=value)

    def _from_records(self, end: _SignedEnd) -> InclusionProof:
        checkpoint = end.checkpoint
        gap = next(self._window.absent(self._start.size, checkpoint.size), None)
        if gap is not None:
            message = f"sequences {gap[0]} to {gap[1]} of producer {self._producer} are missing: the proof needs them"
            raise IncompleteError(message)
        # Forged records may claim the same sequences: one choice among them leads to the signed root.
        values = list(self._candidates.first(MAX_CANDIDATES))
        for variant in self._variants(split_hashes(self._window.read(self._start.size, checkpoint.size))):
            for value in values:
                path = self._path(value, variant, checkpoint)
                if path is not None:
                    return InclusionProof(sequence=self._sequence, path=tuple(path), checkpoint=end.note, value=value)
        message = (
            f"the records {self._start.size} to {checkpoint.size - 1} of producer {self._producer} are not those that "
            "were signed: at least one was altered; `telemetry verify` shows which"
        )
        raise TamperedError(message)

    def _observe_event(self, sequence: int, value: bytes) -> None:
        if sequence == self._sequence:
            self._candidates.add(value)
        end = self._end.checkpoint.size if self._end is not None else None
        if self._leaves is not None or not (self._start.size <= sequence and (end is None or sequence < end)):
            return  # not needed, as far as the interval is known
        leaf, known = leaf_hash(value), self._window.get(sequence)
        if known is None:
            self._window.put(sequence, leaf)
        elif known != leaf and sequence != self._sequence:
            self._add_rival(sequence, leaf)

    def _add_rival(self, sequence: int, leaf: bytes) -> None:
        rivals = self._rivals.setdefault(sequence, [])
        if leaf not in rivals and sum(map(len, self._rivals.values())) < MAX_CANDIDATES:
            rivals.append(leaf)

    def _variants(self, leaves: list[bytes]) -> Iterator[list[bytes]]:
        """Yield the leaves with every choice among the records that claim the same sequence."""
        start = self._start.size
        numbers = [number for number in self._rivals if start <= number < start + len(leaves)]
        choices = product(*([leaves[number - start], *self._rivals[number]] for number in numbers))
        for choice in islice(choices, MAX_VARIANTS):
            variant = list(leaves)
            for number, leaf in zip(numbers, choice, strict=True):
                variant[number - start] = leaf
            yield variant

    def _observe_checkpoint(self, message: CheckpointMessage, record: RawRecord) -> None:
        judged = self._judge.judge(message, record)
        checkpoint = judged.checkpoint
        if checkpoint is None or not judged.accepted or checkpoint.producer != self._producer:
            return
        if self._source not in (None, checkpoint.source):
            return  # nothing that is believed; another checkpoint may cover the record
        # The nearest checkpoints on both sides: the fewer records between them, the fewer the proof needs.
        tree = checkpoint.tree()
        if checkpoint.size > self._sequence:
            leaves = judged.leaves() if checkpoint.interval is not None else None
            if leaves is not None and leaves.start > self._sequence:
                leaves = None
            is_nearer = self._end is None or checkpoint.size < self._end.checkpoint.size
            # Signed leaves need nothing else, so they are better than a nearer end without them.
            if (leaves is not None and self._leaves is None) or (
                is_nearer and (leaves is not None) >= (self._leaves is not None)
            ):
                self._end, self._leaves = _SignedEnd(checkpoint, message.data, judged.accepted), leaves
                self._forget_rivals()
        elif tree is not None and tree.size > self._start.size:
            self._window.take(self._start.size, tree.size)
            self._start = tree
            self._forget_rivals()

    def _forget_rivals(self) -> None:
        """Drop rivals outside the interval, so that there is room for others."""
        end = self._end.checkpoint.size if self._end is not None else math.inf
        self._rivals = {
            sequence: leaves for sequence, leaves in self._rivals.items() if self._start.size <= sequence < end
        }

    def _path(self, value: bytes, leaves: list[bytes], checkpoint: Checkpoint) -> list[bytes] | None:
        """Return the path from a record to the signed root, or None if it leads to another one."""
        builder = InclusionPathBuilder(self._sequence, after=self._start)
        for number, leaf in enumerate(leaves, start=self._start.size):
            builder.append(leaf_hash(value) if number == self._sequence else leaf)
        path = builder.path()
        try:
            verify_inclusion(
                leaf_hash(value), index=self._sequence, size=checkpoint.size, path=path, root=checkpoint.root
            )
        except TamperedError:
            return None
        return path
