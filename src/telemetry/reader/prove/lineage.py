"""Traces one event through its records and checkpoints: when it was logged, sealed, sent or stored, delivered, signed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from telemetry.exceptions import IncompleteError, MalformedRecordError, TamperedError, VerificationError
from telemetry.format.objects.stored_name import parse_stored_name
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.uuid7 import UUID_PATTERN, created_at
from telemetry.format.value import jwe
from telemetry.format.value.message import BATCH_HEADER, REPLAY_HEADER, Message, context_of
from telemetry.reader.entry import Place, Proven, RawRecord, RedactedEvent, SourceRecord
from telemetry.reader.prove.covering import Covering
from telemetry.reader.prove.find import find_event
from telemetry.reader.prove.prover import Prover
from telemetry.reader.prove.redacted_lineage import RedactedLineage
from telemetry.reader.prove.stream_prover import MAX_CANDIDATES
from telemetry.reader.trust import TrustPolicy
from telemetry.reader.verify.checkpoint_judge import CheckpointJudge

MAX_COPIES = 1_000
"""Copies of one record that are listed; further ones are counted."""

_BATCH = re.compile(rb"(%b)-([0-9]{1,18})" % UUID_PATTERN.encode())
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", re.ASCII)
_MAX_UUID7_SECONDS = 253_402_300_799  # the year 9999, where datetime ends


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCopy:
    """One copy of the record: where it is and how it got there.

    Attributes:
        place: Topic, partition and offset, or fallback object and line.
        timestamp: Kafka's timestamp, RFC 3339; empty for a copy in the fallback.
        batch: Number of the batch that carried it; None if the record does not say.
        sender: Process that sent the batch: the producer, or the process that adopted a dead producer's spool.
        replayed_from: Name of the fallback object from which it was replayed; empty if it was sent directly.
        stored_at: When that object, or the object that it is in, was created, RFC 3339; empty for none.
    """

    place: Place
    timestamp: str = ""
    batch: int | None = None
    sender: str = ""
    replayed_from: str = ""
    stored_at: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the copy as plain values."""
        place = self.place
        in_kafka = place.partition is not None
        return {
            "topic": None if place.is_in_file else place.source,
            "partition": place.partition,
            "offset": place.offset if in_kafka else None,
            "timestamp": self.timestamp or None,
            "batch": self.batch,
            "sender": self.sender or None,
            "replayed_from": self.replayed_from or None,
            "fallback_object": place.name,
            "file": place.source if place.is_in_file else None,
            "line": None if in_kafka else place.offset,
            "stored_at": self.stored_at or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """The life of one record that claims to be the event.

    Attributes:
        message: The record, parsed but not opened.
        raw: The copy that was read first.
        copies: The copies, in the order in which they were read.
        more_copies: How many further copies there are.
        covering: The checkpoint that covers the record; None while there is none.
        problem: Why the record is not proven; None if it is, or if no public key was given.
        is_proven: Whether a trusted key signed a checkpoint that covers the record, and the records lead to its root.
    """

    message: Message
    raw: RawRecord
    copies: tuple[RecordCopy, ...]
    more_copies: int
    covering: Covering | None
    problem: VerificationError | None
    is_proven: bool

    @property
    def producer(self) -> str:
        """The stream of the process that logged the event."""
        return str(self.message.attributes["producer"])

    @property
    def sequence(self) -> int:
        """Number of the event in that stream."""
        return int(self.message.attributes["sequence"])

    @property
    def is_relayed(self) -> bool:
        """Whether its checkpoint says that it came from an outbox: then its producer is the relay."""
        runs = self.covering.checkpoint.relayed if self.covering else ()
        return any(run.first <= self.sequence <= run.last for run in runs)

    @property
    def proven(self) -> Proven:
        """Whether a checkpoint of a trusted key proves the record."""
        if self.is_proven:
            return Proven.YES
        if self.problem is None:
            return Proven.NOT_JUDGED
        return Proven.PENDING if isinstance(self.problem, IncompleteError) else Proven.NO

    @property
    def trace(self) -> tuple[str, str] | None:
        """OpenTelemetry trace and span; None if the event was logged outside a span."""
        ids = _TRACEPARENT.fullmatch(str(self.message.attributes.get("traceparent", "")))
        return None if ids is None else (ids[1], ids[2])

    @property
    def data_key_id(self) -> str:
        """Commitment to the data key that the record names; empty if it is malformed or not sealed."""
        try:
            return jwe.parse(self.message.data).kid if self.message.is_sealed else ""
        except MalformedRecordError:
            return ""

    def to_dict(self) -> dict[str, Any]:
        """Return the lineage as plain values."""
        attributes, trace = self.message.attributes, self.trace
        context = context_of(str(attributes["source"]))
        call = {
            **{name: attributes[name] for name in ("time", "type", "producer", "sequence")},
            "service_name": context["service"],
            "environment": context["environment"],
            "relayed": self.is_relayed,
            "trace_id": trace[0] if trace else None,
            "span_id": trace[1] if trace else None,
        }
        sealing = None
        if self.message.is_sealed:
            uri = self.message.key_uri
            sealing = {"data_key_id": self.data_key_id, "key_uri": uri, "key_version": key_version(uri)}
        return {
            "id": attributes["id"],
            "call": call,
            "sealing": sealing,
            "deliveries": [copy.to_dict() for copy in self.copies],
            "more_deliveries": self.more_copies,
            "checkpoint": self.covering.to_dict() if self.covering else None,
            "sealed": self.message.is_sealed,
            "proven": str(self.proven),
            "problem": str(self.problem) if self.problem else None,
        }


class LineageTracer:
    """Traces one event through a trail that is read twice: to find its records, then to find what proves them.

    Args:
        event_id: UUIDv7 of the event.
        trusted: Who may sign what, or public keys that may have signed; without any, the checkpoint is shown and nothing
            is proven.

    Attributes:
        redacted: What is left of the event where its value was removed, after :meth:`trace`.
    """

    def __init__(self, event_id: str, *, trusted: TrustPolicy | Iterable[PublicKey]) -> None:
        self._event_id = event_id
        self._policy = trusted if isinstance(trusted, TrustPolicy) else TrustPolicy.of_keys(trusted)
        self._records: dict[bytes, _Record] = {}
        self._redacted: dict[tuple[str, str, int, bytes], RedactedEvent] = {}
        self.redacted: list[RedactedLineage] = []

    def find(self, records: Iterable[SourceRecord]) -> bool:
        """Read the trail for the first time; return whether the event is in it.

        Args:
            records: Records of every source, with their headers.
        """
        for raw, message in find_event(self._without_redacted(records), self._event_id):
            value = raw.value or b""
            record = self._records.get(value)
            if record is None:
                if len(self._records) == MAX_CANDIDATES:
                    continue
                record = self._records[value] = _Record(raw, message)
            record.add(raw)
        return bool(self._records or self._redacted)

    def trace(self, records: Iterable[SourceRecord]) -> list[Lineage]:
        """Read the trail for the second time; return a lineage for each different record: more than one is an attack.

        Args:
            records: Records of every source.
        """
        wanted = {record.place_in_stream for record in self._all()} | {place[:3] for place in self._redacted}
        searches = {place: _Search(*place, self._policy) for place in wanted}
        for raw in records:
            for search in searches.values():
                search.observe(raw)
        self.redacted = [self._redacted_lineage(event, searches[place[:3]]) for place, event in self._redacted.items()]
        return [self._lineage(record, searches[record.place_in_stream]) for record in self._all()]

    def _without_redacted(self, records: Iterable[SourceRecord]) -> Iterator[SourceRecord]:
        for record in records:
            if isinstance(record, RedactedEvent):
                place = (record.producer, record.source, record.sequence, record.leaf)
                if record.event_id == self._event_id and len(self._redacted) < MAX_CANDIDATES:
                    self._redacted.setdefault(place, record)
            else:
                yield record

    def _redacted_lineage(self, event: RedactedEvent, search: _Search) -> RedactedLineage:
        problem = search.problem_of_leaf(event.leaf)
        return RedactedLineage(
            event=event,
            covering=search.covering,
            problem=problem,
            is_proven=bool(self._policy.keys) and problem is None,
        )

    def _all(self) -> Iterable[_Record]:
        return self._records.values()

    def _lineage(self, record: _Record, search: _Search) -> Lineage:
        problem = search.problem_of(record.raw.value or b"")
        return Lineage(
            message=record.message,
            raw=record.raw,
            copies=tuple(record.copies),
            more_copies=record.more,
            covering=search.covering,
            problem=problem,
            is_proven=bool(self._policy.keys) and problem is None,
        )


class _Record:
    """One of the records that claim to be the event, and its copies."""

    def __init__(self, raw: RawRecord, message: Message) -> None:
        self.raw = raw
        self.message = message
        self.copies: list[RecordCopy] = []
        self.more = 0

    @property
    def place_in_stream(self) -> tuple[str, str, int]:
        attributes = self.message.attributes
        return attributes["producer"], attributes["source"], attributes["sequence"]

    def add(self, raw: RawRecord) -> None:
        if len(self.copies) < MAX_COPIES:
            self.copies.append(_copy_of(raw))
        else:
            self.more += 1


class _Search:
    """Looks for the checkpoint and the proof of one sequence of a producer, signed for the source that the record names."""

    def __init__(self, producer: str, source: str, sequence: int, policy: TrustPolicy) -> None:
        self._producer = producer
        self._source = source
        self._sequence = sequence
        self._judge = CheckpointJudge(policy)
        self._prover = Prover(producer, sequence, trusted=policy, source=source) if policy.keys else None
        self.covering: Covering | None = None

    def observe(self, raw: SourceRecord) -> None:
        if self._prover is not None:
            self._prover.observe(raw)
        if not isinstance(raw, RawRecord) or raw.value is None:
            return
        self._observe_checkpoint(raw)

    def problem_of(self, value: bytes) -> VerificationError | None:
        """Return why this record is not proven, or None."""
        if self._prover is None:
            return None
        try:
            proof = self._prover.proof()
        except VerificationError as exc:
            return exc
        return None if proof.value == value else TamperedError("another record was signed in its place")

    def problem_of_leaf(self, leaf: bytes) -> VerificationError | None:
        """Return why a leaf hash that is left of the record is not proven, or None."""
        try:
            if self._prover is not None:
                self._prover.require_signed(leaf)
        except VerificationError as exc:
            return exc
        return None

    def _observe_checkpoint(self, raw: RawRecord) -> None:
        try:
            message = decode_checkpoint_message(raw.value or b"")
        except MalformedRecordError:
            return  # it proves nothing; the verifier reports it
        if message is None or (message.producer, message.source) != (self._producer, self._source):
            return
        judged = self._judge.judge(message, raw)
        checkpoint = judged.checkpoint
        if checkpoint is None or checkpoint.producer != self._producer or checkpoint.size <= self._sequence:
            return
        # The smallest checkpoint that covers the record, but any that is believed rather than one that is not.
        known = self.covering
        if known is None or (not judged.accepted, checkpoint.size) < (not known.believed, known.checkpoint.size):
            self.covering = Covering(
                checkpoint=checkpoint,
                place=raw.place,
                believed=judged.accepted,
                refused=judged.refused,
                claimed=judged.signers,
            )


def key_version(key_uri: str) -> str | None:
    """Return the KEK's version as its URI names it; None where the key service keeps versions to itself (AWS KMS)."""
    scheme, _, rest = key_uri.partition("://")
    parts = rest.split("/")
    if scheme == "azure-keyvault" and len(parts) == 3:  # noqa: PLR2004 - vault, key and version
        return parts[2]
    if scheme == "gcp-kms" and parts[-2:-1] == ["cryptoKeyVersions"]:
        return parts[-1]
    return rest if scheme == "local-key" else None


def _copy_of(raw: RawRecord) -> RecordCopy:
    headers = dict(raw.headers)
    batch = _BATCH.fullmatch(headers.get(BATCH_HEADER) or b"")
    origin = (headers.get(REPLAY_HEADER) or b"").decode("utf-8", "replace")
    stored = parse_stored_name(raw.place.name or origin)
    return RecordCopy(
        place=raw.place,
        timestamp="" if raw.timestamp is None else _rfc3339(raw.timestamp),
        batch=int(batch[2]) if batch else None,
        sender=batch[1].decode() if batch else "",
        replayed_from=origin,
        stored_at=_rfc3339(created_at(stored.object_name.created)) if stored else "",
    )


def _rfc3339(seconds: float | None) -> str:
    if seconds is None or not 0 <= seconds < _MAX_UUID7_SECONDS:
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
