"""What a reader yields: events, checkpoints, sealed records, damaged ones, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from telemetry.exceptions import TelemetryError
from telemetry.format.value.event import AuditEvent


class Place(NamedTuple):
    """Where a record stands.

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

    def __str__(self) -> str:
        if self.name is not None:
            return f"{self.source}: {self.name}, line {self.offset}"
        if self.partition is not None:
            return f"{self.source}[{self.partition}]@{self.offset}"
        return f"{self.source}, line {self.offset}"


class RawRecord(NamedTuple):
    """A record as it stands in a source.

    Attributes:
        key: Kafka key.
        value: Kafka value; None for a tombstone, which this library never writes.
        place: Where it stands.
        timestamp: Kafka's timestamp in seconds since the epoch, or None.
        headers: Kafka headers, where they were asked for; nothing binds them.
    """

    key: bytes | None
    value: bytes | None
    place: Place
    timestamp: float | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class OpenedEvent:
    """An event that was opened, and every byte of whose record was held against it.

    Attributes:
        event: The event.
        place: Where its record stands.
        sealed: False where it was logged with encryption off: nothing binds its bytes then.
        raw: The record.
    """

    event: AuditEvent
    place: Place
    sealed: bool
    raw: RawRecord


@dataclass(frozen=True, slots=True)
class SealedEntry:
    """An event that was left sealed.

    Attributes:
        event_id: UUIDv7.
        producer: The stream.
        sequence: Its place there.
        event_type: What happened.
        time: RFC 3339.
        place: Where its record stands.
        raw: The record.
    """

    event_id: str
    producer: str
    sequence: int
    event_type: str
    time: str
    place: Place
    raw: RawRecord


@dataclass(frozen=True, slots=True)
class CheckpointEntry:
    """A signed checkpoint of a producer; not verified here.

    Attributes:
        producer: The stream.
        note: The signed note.
        place: Where its record stands.
        raw: The record.
    """

    producer: str
    note: str
    place: Place
    raw: RawRecord


@dataclass(frozen=True, slots=True)
class DamagedRecord:
    """A record that cannot be opened, or was altered.

    Attributes:
        place: Where it stands.
        error: What is wrong with it.
        raw: The record.
    """

    place: Place
    error: TelemetryError
    raw: RawRecord


Entry = OpenedEvent | SealedEntry | CheckpointEntry | DamagedRecord
