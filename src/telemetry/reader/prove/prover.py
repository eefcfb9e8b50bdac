"""Creates the inclusion proof of one record while a trail is read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product

from telemetry.exceptions import FormatError, IncompleteError, MalformedRecordError, TamperedError
from telemetry.format.proof.checkpoint import Checkpoint, open_checkpoint
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.proof.inclusion import InclusionProof
from telemetry.format.proof.merkle import Frontier, InclusionPathBuilder, leaf_hash, split_hashes, verify_inclusion
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.value.head import parse_head, parse_sequence
from telemetry.format.value.message import SEQUENCE
from telemetry.reader.entry import DamagedRecord, RawRecord
from telemetry.reader.verify.tree.leaf_window import LeafBudget, LeafWindow

MAX_HELD_EVENTS = 6_000_000
"""Leaf hashes that are held until the checkpoints on both sides of the record are known: 192 MB."""
MAX_CANDIDATES = 16
"""Different records that claim the sequence to be proven, and those that claim another record's."""
MAX_VARIANTS = 4_096
"""Choices that are tried where several records claim one sequence: only the root shows which one was signed."""


class Prover:
    """Collects what the proof of a record needs: the checkpoints on both sides of it, and the records between them.

    Args:
        producer: Stream of the record.
        sequence: Sequence of the record.
        trusted: Public keys that may have signed.
    """

    def __init__(self, producer: str, sequence: int, *, trusted: Sequence[PublicKey]) -> None:
        self._producer = producer
        self._sequence = sequence
        self._trusted = trusted
        self._needle = f'"producer":"{producer}"'.encode()
        self._window = LeafWindow(LeafBudget(MAX_HELD_EVENTS))
        self._values: list[bytes] = []
        self._rivals: dict[int, list[bytes]] = {}
        self._start = Frontier()
        self._end: tuple[Checkpoint, str] | None = None

    def observe(self, record: RawRecord | DamagedRecord) -> None:
        """Observe a record of any source; those of other producers are skipped."""
        value = None if isinstance(record, DamagedRecord) else record.value
        if value is None or self._needle not in value:
            return
        try:
            message = decode_checkpoint_message(value)
            if message is not None:
                self._observe_checkpoint(message.data)
                return
            at = value.find(SEQUENCE)
            if parse_head(value, at)["producer"] == self._producer:
                self._observe_event(parse_sequence(value, at + len(SEQUENCE)), value)
        except MalformedRecordError:
            return  # it proves nothing; the verifier reports it

    def observe_all(self, records: Iterable[RawRecord | DamagedRecord]) -> None:
        """Observe every record of a source."""
        for record in records:
            self.observe(record)

    def proof(self) -> InclusionProof:
        """Return the proof.

        1. The record was read, and a trusted key signed a checkpoint that covers it.
        2. All records between the checkpoints on both sides of it were read.
        3. They lead from the first checkpoint to the root of the second; the path of the record is part of that.

        Raises:
            IncompleteError: The record, a checkpoint that covers it, or a record between the checkpoints is missing.
            TamperedError: The records are not those that were signed.
        """
        # 1. The record and its checkpoint.
        if not self._values:
            message = f"sequence {self._sequence} of producer {self._producer} is not in the trail that was read"
            raise IncompleteError(message)
        if self._end is None:
            message = (
                f"no checkpoint of a trusted key covers sequence {self._sequence} of producer {self._producer} yet"
            )
            raise IncompleteError(message)
        checkpoint, note = self._end
        # 2. The records between.
        gap = next(self._window.absent(self._start.size, checkpoint.size), None)
        if gap is not None:
            message = f"sequences {gap[0]} to {gap[1]} of producer {self._producer} are missing: the proof needs them"
            raise IncompleteError(message)
        # 3. The root. Forged records may claim the same sequences: one choice among them leads to the signed root.
        leaves = split_hashes(self._window.read(self._start.size, checkpoint.size))
        for variant in self._variants(leaves):
            for value in self._values:
                path = self._path(value, variant, checkpoint)
                if path is not None:
                    return InclusionProof(sequence=self._sequence, path=tuple(path), checkpoint=note, value=value)
        message = (
            f"the records {self._start.size} to {checkpoint.size - 1} of producer {self._producer} are not those that "
            "were signed: at least one was altered; `telemetry verify` shows which"
        )
        raise TamperedError(message)

    def _observe_event(self, sequence: int, value: bytes) -> None:
        if sequence == self._sequence and value not in self._values and len(self._values) < MAX_CANDIDATES:
            self._values.append(value)
        end = self._end[0].size if self._end is not None else None
        if not (self._start.size <= sequence and (end is None or sequence < end)):
            return  # outside the interval as far as it is known
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

    def _observe_checkpoint(self, note: str) -> None:
        try:
            checkpoint = open_checkpoint(note, self._trusted)
        except (FormatError, TamperedError):
            return  # not signed by a trusted key; another checkpoint may cover the record
        # The nearest checkpoints on both sides: the fewer records between them, the fewer the proof needs.
        tree = checkpoint.tree()
        if checkpoint.producer != self._producer:
            return
        if checkpoint.size > self._sequence:
            if self._end is None or checkpoint.size < self._end[0].size:
                self._end = (checkpoint, note)
                self._forget_rivals()
        elif tree is not None and tree.size > self._start.size:
            self._window.take(self._start.size, tree.size)
            self._start = tree
            self._forget_rivals()

    def _forget_rivals(self) -> None:
        """Drop rivals outside the interval, so that there is room for others."""
        end = self._end[0].size if self._end is not None else math.inf
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
