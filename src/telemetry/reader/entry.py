"""Defines what a reader yields: events, checkpoints, sealed and damaged records, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from telemetry.exceptions import TelemetryError
from telemetry.format.kafka_key import NOT_KEPT, KafkaKey
from telemetry.format.value.event import AuditEvent


class Proven(StrEnum):
    """Whether a checkpoint of a trusted key proves a record.

    Attributes:
        YES: It does.
        NO: A trusted key has signed another record for its place, or has ended the stream before it.
        PENDING: No checkpoint that was read says anything about it.
        NOT_JUDGED: No trusted key was given.
    """

    YES = "yes"
    NO = "no"
    PENDING = "pending"
    NOT_JUDGED = "not judged"


class Place(NamedTuple):
    """The place of a record in a source.

    Attributes:
        source: Topic, store or file.
        partition: Of the topic, or None.
        offset: In the partition; the line of an object or a file.
        name: Of the fallback object, or None.
    """

    source: str
    partition: int | None = None
    offset: int = 0
    name: str | None = None

    @property
    def is_in_file(self) -> bool:
        """Whether it is a line of a file, which does not say where the record was."""
        return self.partition is None and self.name is None

    def __str__(self) -> str:
        if self.name is not None:
            return f"{self.source}: {self.name}, line {self.offset}"
        if self.partition is not None:
            return f"{self.source}[{self.partition}]@{self.offset}"
        return f"{self.source}, line {self.offset}"


class RawRecord(NamedTuple):
    """A record as a source has it.

    Attributes:
        key: Kafka key.
        value: Kafka value; None for a tombstone, which this library never writes.
        place: Its place.
        timestamp: Kafka's timestamp in seconds since the epoch, or None.
        headers: Kafka headers, if they were requested. Nothing protects them: they can be altered unnoticed.
        append_time: ``timestamp``, where the broker set it when it appended the record (LogAppendTime); otherwise None.
        is_key_kept: False if the source does not keep Kafka keys, which name users; ``key`` is None then, whatever it was.
    """

    key: bytes | None
    value: bytes | None
    place: Place
    timestamp: float | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    append_time: float | None = None
    is_key_kept: bool = True

    @property
    def kafka_key(self) -> KafkaKey:
        """The key as the functions of the format take it."""
        return self.key if self.is_key_kept else NOT_KEPT


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldEvents:
    """Events that wait in a sealed fallback object, as its signed header lists them; their content was not opened.

    Attributes:
        producer: UUIDv7 of the producer.
        first: Sequence of the first event; the others follow without a gap.
        leaves: Leaf hashes of the events, one after the other.
        place: Place of the object.
        signer: Id of the key that signed the header, in hexadecimal; empty if it is not signed.
        signed: Bytes that were signed.
        signature: Ed25519 signature over them; not verified here.
    """

    producer: str
    first: int
    leaves: bytes
    place: Place
    signer: str = ""
    signed: bytes = b""
    signature: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactedEvent:
    """An event whose value was removed on request; its leaf hash is kept, so that the tree that was signed is still proven.

    Attributes:
        source: CloudEvents source, as the archive has it; nothing but the signed tree proves it.
        producer: UUIDv7 of the producer.
        sequence: Number in the producer's stream.
        leaf: Leaf hash of the value that was removed.
        place: Place of the record.
        reason: Why it was removed.
        request: Name of the request.
        event_id: UUIDv7 of the event, as the archive has it; empty if it does not say.
        proven: Whether a checkpoint of a trusted key proves the leaf hash.
    """

    source: str
    producer: str
    sequence: int
    leaf: bytes
    place: Place
    reason: str
    request: str
    event_id: str = ""
    proven: Proven = Proven.NOT_JUDGED

    @property
    def raw(self) -> RawRecord:
        """The record, without what was removed."""
        return RawRecord(None, None, self.place)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRun:
    """Events of one producer whose retention has ended, so that they were removed by policy.

    Attributes:
        source: CloudEvents source, as the archive has it.
        producer: UUIDv7 of the producer.
        first: Sequence of the first event.
        end: One more than that of the last.
        leaves: Their leaf hashes, one after the other; None where the run is exactly whole signed intervals.
        place: Place of the row in the archive.
        policy: Text of the policy.
    """

    source: str
    producer: str
    first: int
    end: int
    leaves: bytes | None
    place: Place
    policy: str

    @property
    def raw(self) -> RawRecord:
        """The record, without what was removed."""
        return RawRecord(None, None, self.place)


@dataclass(frozen=True, slots=True)
class OpenedEvent:
    """An event that was opened, and whose record was checked byte for byte.

    Attributes:
        event: The event.
        place: Place of its record.
        sealed: False if it was logged with encryption off: nothing protects its bytes then.
        raw: The record.
        proven: Whether a checkpoint of a trusted key proves the record.
        is_foreign: Whether the trail should not have it: it is in the clear although events are sealed here, and no
            trusted key proves it.
        via: Source of the gateway that logged the event for its service, as a trusted key has signed; None where the service
            did, and where nothing proves the event.
    """

    event: AuditEvent
    place: Place
    sealed: bool
    raw: RawRecord
    proven: Proven = Proven.NOT_JUDGED
    is_foreign: bool = False
    via: str | None = None


@dataclass(frozen=True, slots=True)
class SealedEntry:
    """An event that was left sealed.

    Attributes:
        event_id: UUIDv7.
        producer: UUIDv7 of the producer.
        sequence: Number in the producer's stream.
        event_type: What happened.
        time: RFC 3339.
        place: Place of its record.
        raw: The record.
        proven: Whether a checkpoint of a trusted key proves the record.
    """

    event_id: str
    producer: str
    sequence: int
    event_type: str
    time: str
    place: Place
    raw: RawRecord
    proven: Proven = Proven.NOT_JUDGED

    @property
    def sealed(self) -> bool:
        """True: nothing of it was opened."""
        return True


@dataclass(frozen=True, slots=True)
class CheckpointEntry:
    """A signed checkpoint of a producer; not verified here.

    Attributes:
        producer: UUIDv7 of the producer.
        note: The signed note.
        place: Place of its record.
        raw: The record.
    """

    producer: str
    note: str
    place: Place
    raw: RawRecord


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """A roster of a witness; who signed it was not verified.

    Attributes:
        origin: Name of the witness's log.
        place: Place of its record.
        raw: The record.
    """

    origin: str
    place: Place
    raw: RawRecord


@dataclass(frozen=True, slots=True)
class DamagedRecord:
    """A record that cannot be opened, or was altered.

    Attributes:
        place: Its place.
        error: Reason why it cannot be opened.
        raw: The record.
        is_foreign: Whether no trusted stream is concerned: anyone who may write to the topic can have written it.
        end: Where several offsets of a topic cannot be read: the offset after the last of them.
        is_vouched: Whether something signed says that a sound record must be there, as the seal of an archive does of its
            files: such a record is never foreign.
    """

    place: Place
    error: TelemetryError
    raw: RawRecord
    is_foreign: bool = False
    end: int | None = None
    is_vouched: bool = False


SourceRecord = RawRecord | DamagedRecord | RedactedEvent | EndedRun
"""What a source yields; only an archive has the last two."""

Entry = OpenedEvent | SealedEntry | CheckpointEntry | RosterEntry | DamagedRecord | RedactedEvent | EndedRun
