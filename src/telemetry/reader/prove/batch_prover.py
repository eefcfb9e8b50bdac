"""Creates the inclusion proofs of many records in one pass over a trail."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from telemetry.exceptions import MalformedRecordError
from telemetry.format.proof.checkpoint_message import CheckpointMessage, decode_checkpoint_message
from telemetry.format.proof.inclusion import InclusionProof
from telemetry.format.proof.merkle import split_hashes
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.uuid7 import UUID_PATTERN
from telemetry.format.value.head import parse_head, parse_sequence
from telemetry.format.value.message import SEQUENCE
from telemetry.reader.entry import EndedRun, RawRecord, RedactedEvent, SourceRecord
from telemetry.reader.prove import candidates
from telemetry.reader.prove.candidates import Candidates
from telemetry.reader.prove.fair_room import FairRoom
from telemetry.reader.prove.find import ClaimedPosition
from telemetry.reader.prove.stream_prover import StreamProver
from telemetry.reader.trust.judgement import Judgement
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.reader.verify.checkpoint_judge import CheckpointJudge
from telemetry.reader.verify.tree.leaf_window import LeafBudget
from telemetry.system.spill_file import SpillFile

MAX_HELD_EVENTS = 6_000_000
"""Leaf hashes that are held until the checkpoints on both sides of each record are known: 192 MB."""

_PRODUCER = re.compile(rb'"producer":"(%b)"' % UUID_PATTERN.encode())


class BatchProver:
    """Collects what the proofs of some records need: the checkpoints on both sides of each, and the records between them.

    A record is read, hashed and judged once, for however many proofs it is needed.

    Args:
        positions: Where the records are, each once.
        trusted: Who may sign what; or public keys that may have signed.
    """

    def __init__(self, positions: Collection[ClaimedPosition], *, trusted: TrustPolicy | Iterable[PublicKey]) -> None:
        policy = trusted if isinstance(trusted, TrustPolicy) else TrustPolicy.of_keys(trusted)
        self._judge = CheckpointJudge(policy)
        self._file = SpillFile()
        self._room = FairRoom(candidates.MAX_CANDIDATES, parties=max(len(positions), 1))
        self._memory = candidates.MAX_MEMORY_BYTES // max(len(positions), 1)
        # Anyone can write records of a stream that nobody signed: they use up no room of those that are signed.
        trusted_room, claimed_room = LeafBudget(MAX_HELD_EVENTS), LeafBudget(MAX_HELD_EVENTS)
        grouped: dict[tuple[str, str | None], list[ClaimedPosition]] = {}
        for position in positions:
            grouped.setdefault((position.producer, position.source), []).append(position)
        self._streams: dict[bytes, dict[str | None, StreamProver]] = {}
        for (producer, source), group in grouped.items():
            self._streams.setdefault(producer.encode(), {})[source] = StreamProver(
                producer,
                {position.sequence: self._new_candidates() for position in group},
                budget=trusted_room if any(position.is_trusted for position in group) else claimed_room,
            )

    def observe(self, record: SourceRecord) -> None:
        """Observe a record of any source; those of other producers are skipped.

        Raises:
            StorageError: What does not fit into memory cannot be written.
        """
        if isinstance(record, (RedactedEvent, EndedRun)):
            self._observe_removed(record)
            return
        value = record.value if isinstance(record, RawRecord) else None
        if value is None or not isinstance(record, RawRecord) or not self._mentions_producer(value):
            return
        try:
            message = decode_checkpoint_message(value)
            if message is not None:
                self._observe_checkpoint(message, record)
                return
            at = value.find(SEQUENCE)
            head = parse_head(value, at)
            streams = self._streams_of(head["producer"], head["source"])
            if streams:
                sequence = parse_sequence(value, at + len(SEQUENCE))
                for stream in streams:
                    stream.observe_event(sequence, value)
        except MalformedRecordError:
            return  # it proves nothing; the verifier reports it

    def observe_all(self, records: Iterable[SourceRecord]) -> None:
        """Observe every record of a source."""
        for record in records:
            self.observe(record)

    def proof(self, position: ClaimedPosition) -> tuple[InclusionProof, tuple[Judgement, ...]]:
        """Return the proof of one of the records, and why the keys that signed its checkpoint are believed.

        Raises:
            IncompleteError: The record, a checkpoint that covers it, or a record between the checkpoints is missing.
            TamperedError: The records are not those that were signed.
            StorageError: What is on the disk cannot be read.
        """
        return self._streams[position.producer.encode()][position.source].proof(position.sequence)

    def require_signed(self, position: ClaimedPosition, leaf: bytes) -> None:
        """Check a leaf hash that is left of one of the records; see :meth:`StreamProver.require_signed`."""
        self._streams[position.producer.encode()][position.source].require_signed(position.sequence, leaf)

    @property
    def held(self) -> int:
        """How many leaf hashes are held."""
        return sum(stream.held for streams in self._streams.values() for stream in streams.values())

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()

    def _observe_removed(self, record: RedactedEvent | EndedRun) -> None:
        if isinstance(record, EndedRun):
            first, leaves = record.first, record.leaves or b""
        else:
            first, leaves = record.sequence, record.leaf
        for stream in self._streams_of(record.producer, record.source):
            for sequence, leaf in enumerate(split_hashes(leaves), start=first):
                stream.observe_leaf(sequence, leaf)

    def _new_candidates(self) -> Candidates:
        return Candidates(memory=self._memory, room=self._room, file=self._file)

    def _mentions_producer(self, value: bytes) -> bool:
        return any(match[1] in self._streams for match in _PRODUCER.finditer(value))

    def _streams_of(self, producer: str, source: str) -> list[StreamProver]:
        streams = self._streams.get(producer.encode(), {})
        return [streams[name] for name in (source, None) if name in streams]

    def _observe_checkpoint(self, message: CheckpointMessage, record: RawRecord) -> None:
        # The message names the producer and source that were signed; a checkpoint whose text differs is not judged to be one.
        streams = self._streams_of(message.producer, message.source)
        judged = self._judge.judge(message, record) if streams else None
        if judged is None or judged.checkpoint is None or not judged.accepted:
            return  # nothing that is believed; another checkpoint may cover the records
        for stream in streams:
            stream.observe_checkpoint(judged, message.data)
