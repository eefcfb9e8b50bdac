"""Makes the inclusion proof of one record while a trail goes by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product

from telemetry.exceptions import FormatError, IncompleteError, MalformedRecordError, TamperedError
from telemetry.format.proof.checkpoint import Checkpoint, decode_checkpoint_message, open_checkpoint
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
MAX_VARIANTS = 4_096
"""Choices that are tried where several records claim one sequence: which is the signed one shows only in the root."""


class Prover:
    """Collects what the proof of a record needs: the checkpoints on both sides of it, and the records between them.

    Args:
        producer: Stream of the record.
        sequence: Number of the record.
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
        """Take a record of any source; those of other producers are passed over."""
        value = None if isinstance(record, DamagedRecord) else record.value
        if value is None or self._needle not in value:
            return
        try:
            message = decode_checkpoint_message(value)
            if message is not None:
                self._take_checkpoint(message.data)
                return
            at = value.find(SEQUENCE)
            if parse_head(value, at)["producer"] == self._producer:
                self._take_record(parse_sequence(value, at + len(SEQUENCE)), value)
        except MalformedRecordError:
            return  # it proves nothing; the verifier tells of it

    def observe_all(self, records: Iterable[RawRecord | DamagedRecord]) -> None:
        """Take every record of a source."""
        for record in records:
            self.observe(record)

    def proof(self) -> InclusionProof:
        """Return the proof.

        Raises:
            IncompleteError: The record, a checkpoint that covers it, or a record between the checkpoints is missing.
            TamperedError: The records are not those that were signed.
        """
        if not self._values:
            message = f"sequence {self._sequence} of producer {self._producer} is not in the trail that was read"
            raise IncompleteError(message)
        if self._end is None:
            message = (
                f"no checkpoint of a trusted key covers sequence {self._sequence} of producer {self._producer} yet"
            )
            raise IncompleteError(message)
        checkpoint, note = self._end
        gap = next(self._window.absent(self._start.size, checkpoint.size), None)
        if gap is not None:
            message = f"sequences {gap[0]} to {gap[1]} of producer {self._producer} are missing: the proof needs them"
            raise IncompleteError(message)
        leaves = split_hashes(self._window.read(self._start.size, checkpoint.size))
        for variant in self._variants(leaves):
            for value in self._values:
                found = self._prove(value, variant, checkpoint)
                if found is not None:
                    return InclusionProof(sequence=self._sequence, path=tuple(found), checkpoint=note, value=value)
        message = (
            f"the records {self._start.size} to {checkpoint.size - 1} of producer {self._producer} are not those that "
            "were signed: at least one was altered"
        )
        raise TamperedError(message)

    def _take_record(self, sequence: int, value: bytes) -> None:
        if sequence == self._sequence and value not in self._values and len(self._values) < MAX_CANDIDATES:
            self._values.append(value)
        end = self._end[0].size if self._end is not None else None
        if not (self._start.size <= sequence and (end is None or sequence < end)):
            return
        leaf, known = leaf_hash(value), self._window.get(sequence)
        if known is None:
            self._window.put(sequence, leaf)
        elif known != leaf and sequence != self._sequence:
            self._note_rival(sequence, leaf)

    def _note_rival(self, sequence: int, leaf: bytes) -> None:
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

    def _take_checkpoint(self, note: str) -> None:
        try:
            checkpoint = open_checkpoint(note, self._trusted)
        except (FormatError, TamperedError):
            return  # not by a trusted key; another one may cover the record
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
        """Drop those that no longer matter, so that others find room."""
        end = self._end[0].size if self._end is not None else math.inf
        self._rivals = {at: found for at, found in self._rivals.items() if self._start.size <= at < end}

    def _prove(self, value: bytes, leaves: list[bytes], checkpoint: Checkpoint) -> list[bytes] | None:
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
