"""One event's life, as far as its records and checkpoints tell it: called, sealed, sent or stored, delivered, signed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from telemetry.exceptions import FormatError, MalformedRecordError, TamperedError, VerificationError
from telemetry.format.objects.stored_name import parse_stored_name
from telemetry.format.proof.checkpoint import Checkpoint, decode_checkpoint_message, read_unverified
from telemetry.format.proof.signed_note import PublicKey, verify_note
from telemetry.format.uuid7 import UUID_PATTERN, created_at
from telemetry.format.value import jwe
from telemetry.format.value.message import BATCH_HEADER, REPLAY_HEADER, Message, context_of
from telemetry.reader.entry import DamagedRecord, Place, RawRecord
from telemetry.reader.prove.find import find_event
from telemetry.reader.prove.prover import MAX_CANDIDATES, Prover

MAX_DELIVERIES = 1_000
"""Copies of one event that are listed; what goes beyond is counted."""

_BATCH = re.compile(rb"(%b)-([0-9]{1,18})" % UUID_PATTERN.encode())
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", re.ASCII)
_MAX_UUID7_SECONDS = 253_402_300_799  # the year 9999, where datetime ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A place where a copy of the record stands, and how it came there.

    Attributes:
        place: Topic, partition and offset, or fallback object and line.
        timestamp: Kafka's timestamp, RFC 3339; empty for a copy in the fallback.
        batch: Number of the batch that carried it; None where the record does not tell.
        sender: Process that sent the batch; another one than the producer when it adopted a dead process's spool.
        replayed_from: Name of the fallback object from which it was replayed; empty for one that was sent directly.
        stored_at: When that object, or the one it stands in, was made, RFC 3339; empty for none.
    """

    place: Place
    timestamp: str = ""
    batch: int | None = None
    sender: str = ""
    replayed_from: str = ""
    stored_at: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the delivery as plain values."""
        place = self.place
        in_kafka = place.name is None
        return {
            "topic": place.source,
            "partition": place.partition if in_kafka else None,
            "offset": place.offset if in_kafka else None,
            "timestamp": self.timestamp or None,
            "batch": self.batch,
            "sender": self.sender or None,
            "replayed_from": self.replayed_from or None,
            "fallback_object": place.name,
            "line": None if in_kafka else place.offset,
            "stored_at": self.stored_at or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Covering:
    """The first checkpoint that covers the event.

    Attributes:
        checkpoint: What it says.
        place: Where it stands.
        signers: Labels of the trusted keys that signed it; empty if none did.
        claimed: Labels of all keys that are said to have signed it.
    """

    checkpoint: Checkpoint
    place: Place
    signers: tuple[str, ...]
    claimed: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the checkpoint as plain values."""
        return {
            "size": self.checkpoint.size,
            "root": self.checkpoint.root.hex(),
            "time": self.checkpoint.time,
            "final": self.checkpoint.final,
            "recovered": self.checkpoint.recovered,
            "topic": self.place.source,
            "partition": self.place.partition,
            "offset": self.place.offset if self.place.name is None else None,
            "fallback_object": self.place.name,
            "trusted_signers": list(self.signers),
            "claimed_signers": list(self.claimed),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """The life of one record that says it is the event.

    Attributes:
        message: The record, taken apart, not opened.
        raw: The copy of it that was read first.
        deliveries: Where its copies stand, in the order in which they were read.
        more_deliveries: How many copies were left out.
        covering: The checkpoint that covers it, or None while there is none.
        problem: Why it is not proven; None if it is, or if no public key was given.
        is_proven: A checkpoint of a trusted key covers it, and the records make the signed root.
    """

    message: Message
    raw: RawRecord
    deliveries: tuple[Delivery, ...]
    more_deliveries: int
    covering: Covering | None
    problem: VerificationError | None
    is_proven: bool

    @property
    def producer(self) -> str:
        """The stream of the process that logged it."""
        return str(self.message.attributes["producer"])

    @property
    def sequence(self) -> int:
        """Its number in that stream."""
        return int(self.message.attributes["sequence"])

    @property
    def trace(self) -> tuple[str, str] | None:
        """OpenTelemetry trace and span, or None where the event was logged outside a span."""
        found = _TRACEPARENT.fullmatch(str(self.message.attributes.get("traceparent", "")))
        return None if found is None else (found[1], found[2])

    @property
    def data_key_id(self) -> str:
        """Commitment to the data key, as the record has it; empty where it is not sealed or malformed."""
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
            "deliveries": [delivery.to_dict() for delivery in self.deliveries],
            "more_deliveries": self.more_deliveries,
            "checkpoint": self.covering.to_dict() if self.covering else None,
            "proven": self.is_proven,
            "problem": str(self.problem) if self.problem else None,
        }


class LineageTracer:
    """Traces one event through a trail that is read twice: to find its records, then to find what proves them.

    Args:
        event_id: UUIDv7 of the event.
        trusted: Public keys that may have signed; with none, the checkpoint is shown and nothing is proven.
    """

    def __init__(self, event_id: str, *, trusted: Sequence[PublicKey]) -> None:
        self._event_id = event_id
        self._trusted = trusted
        self._found: dict[bytes, _Record] = {}

    def find(self, records: Iterable[RawRecord | DamagedRecord]) -> bool:
        """Read the trail for the first time; return whether the event is in it.

        Args:
            records: Of every source, with their headers.
        """
        for raw, message in find_event(records, self._event_id):
            value = raw.value or b""
            record = self._found.get(value)
            if record is None:
                if len(self._found) == MAX_CANDIDATES:
                    continue
                record = self._found[value] = _Record(raw, message)
            record.add(raw)
        return bool(self._found)

    def trace(self, records: Iterable[RawRecord | DamagedRecord]) -> list[Lineage]:
        """Read the trail for the second time; return a lineage for each different record: more than one is an attack.

        Args:
            records: Of every source.
        """
        searches = {record.place_in_stream: _Search(*record.place_in_stream, self._trusted) for record in self._all()}
        for raw in records:
            for search in searches.values():
                search.observe(raw)
        return [self._lineage(record, searches[record.place_in_stream]) for record in self._all()]

    def _all(self) -> Iterable[_Record]:
        return self._found.values()

    def _lineage(self, record: _Record, search: _Search) -> Lineage:
        problem = search.problem_of(record.raw.value or b"") if self._trusted else None
        return Lineage(
            message=record.message,
            raw=record.raw,
            deliveries=tuple(record.deliveries),
            more_deliveries=record.more,
            covering=search.covering,
            problem=problem,
            is_proven=bool(self._trusted) and problem is None,
        )


class _Record:
    """One of the records that say they are the event, and its copies."""

    def __init__(self, raw: RawRecord, message: Message) -> None:
        self.raw = raw
        self.message = message
        self.deliveries: list[Delivery] = []
        self.more = 0

    @property
    def place_in_stream(self) -> tuple[str, int]:
        return self.message.attributes["producer"], self.message.attributes["sequence"]

    def add(self, raw: RawRecord) -> None:
        if len(self.deliveries) < MAX_DELIVERIES:
            self.deliveries.append(_delivery(raw))
        else:
            self.more += 1


class _Search:
    """What the trail says about one place in a producer's stream: its checkpoint, and the proof."""

    def __init__(self, producer: str, sequence: int, trusted: Sequence[PublicKey]) -> None:
        self._producer = producer
        self._sequence = sequence
        self._trusted = trusted
        self._prover = Prover(producer, sequence, trusted=trusted) if trusted else None
        self.covering: Covering | None = None

    def observe(self, raw: RawRecord | DamagedRecord) -> None:
        if isinstance(raw, DamagedRecord) or raw.value is None:
            return
        if self._prover is not None:
            self._prover.observe(raw)
        self._take_checkpoint(raw.value, raw.place)

    def problem_of(self, value: bytes) -> VerificationError | None:
        """Return why this record is not proven, or None."""
        if self._prover is None:
            return None
        try:
            proof = self._prover.proof()
        except VerificationError as exc:
            return exc
        return None if proof.value == value else TamperedError("another record was signed in its place")

    def _take_checkpoint(self, value: bytes, place: Place) -> None:
        try:
            message = decode_checkpoint_message(value)
            if message is None or message.producer != self._producer:
                return
            note, checkpoint = read_unverified(message.data)
            signers = verify_note(note, self._trusted)
        except (FormatError, TamperedError):
            return  # it proves nothing; the verifier tells of it
        if checkpoint.producer != self._producer or checkpoint.size <= self._sequence:
            return
        claimed = tuple(line.label for line in note.signatures)
        trusted = tuple(f"{key.name}+{key.key_id.hex()}" for key in signers)
        known = self.covering
        if known is None or (not trusted, checkpoint.size) < (not known.signers, known.checkpoint.size):
            self.covering = Covering(checkpoint=checkpoint, place=place, signers=trusted, claimed=claimed)


def key_version(key_uri: str) -> str | None:
    """Return the KEK's version as its URI names it; None where the key service keeps versions to itself (AWS KMS)."""
    scheme, _, rest = key_uri.partition("://")
    parts = rest.split("/")
    if scheme == "azure-keyvault" and len(parts) == 3:  # noqa: PLR2004 - vault, key and version
        return parts[2]
    if scheme == "gcp-kms" and parts[-2:-1] == ["cryptoKeyVersions"]:
        return parts[-1]
    return rest if scheme == "local-key" else None


def _delivery(raw: RawRecord) -> Delivery:
    headers = dict(raw.headers)
    batch = _BATCH.fullmatch(headers.get(BATCH_HEADER) or b"")
    origin = (headers.get(REPLAY_HEADER) or b"").decode("utf-8", "replace")
    stored = parse_stored_name(raw.place.name or origin)
    return Delivery(
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
