"""Makes the rows that are no events: checkpoints, rosters, damaged values, tombstones, and what could not be read."""

from __future__ import annotations

from typing import Any, NamedTuple

from telemetry.archive.rows.columns import Kind, Row, row
from telemetry.archive.rows.moments import day_of, moment_of
from telemetry.exceptions import MalformedRecordError
from telemetry.format.proof.checkpoint import read_unverified
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.proof.merkle import leaf_hash
from telemetry.format.roster.message import ROSTER_TYPE, decode_roster_message
from telemetry.format.value.head import parse_loosely
from telemetry.format.value.message import context_of, source_of
from telemetry.format.value.render import key_hash
from telemetry.reader.entry import DamagedRecord, RawRecord

MAX_ERROR = 300

_LARGEST_JSON = 8 << 20
"""A damaged value that is larger is not searched for the place in a stream that it claims."""


class Provenance(NamedTuple):
    """Where a record was, in the columns that say so.

    Attributes:
        reference: The time that its day is judged by, in microseconds since the epoch.
    """

    reference: int | None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    object: str | None = None
    line: int | None = None
    kafka_time: int | None = None
    append_time: bool = False
    headers: bytes | None = None

    def row(self, *, moment: int | None = None, **columns: Any) -> Row:
        """Return a row of this place.

        Args:
            moment: The record's own time in microseconds since the epoch, if it has one.
            columns: The other columns.
        """
        return row(
            day=day_of(moment, self.reference),
            time=moment,
            topic=self.topic,
            partition=self.partition,
            offset=self.offset,
            object=self.object,
            line=self.line,
            kafka_time=self.kafka_time,
            append_time=self.append_time,
            headers=self.headers,
            **columns,
        )


def checkpoint_row(place: Provenance, record: RawRecord, value: bytes) -> Row | None:
    """Return the row of a checkpoint; None if the value is not a checkpoint's.

    Raises:
        FormatError: It is one, and its note is not in the form of the format.
        TamperedError: Its frontier does not make its root.
        MalformedRecordError: Its clear attributes are not those of the note.
        ValueError: Its time names no moment of the calendar.
    """
    message = decode_checkpoint_message(value)
    if message is None:
        return None
    _, checkpoint = read_unverified(message.data)
    context = context_of(message.source)
    if (
        (message.source, message.producer, message.time) != (checkpoint.source, checkpoint.producer, checkpoint.time)
        or source_of(context["environment"], context["service"]) != message.source
    ):  # fmt: skip
        error = "the attributes of the checkpoint's record are not those of its note"
        raise MalformedRecordError(error)
    own_key = message.producer.encode()
    # A checkpoint's key names no user, so its absence says that it is the right one.
    is_found = record.is_key_kept and record.key != own_key
    return place.row(
        moment=moment_of(message.time),
        service=context["service"],
        environment=context["environment"],
        kind=Kind.CHECKPOINT.value,
        producer=message.producer,
        sequence=checkpoint.size,
        id=message.id,
        type=message.type,
        leaf=leaf_hash(value),
        value=value,
        checkpoint=value,
        found_keyhash=(b"" if record.key is None else key_hash(record.key)) if is_found else None,
    )


def roster_row(place: Provenance, value: bytes) -> Row | None:
    """Return the row of a witness's roster; None if the value is not a roster's.

    Raises:
        MalformedRecordError: It begins as a roster's does, and is not in the form of one.
        ValueError: Its time names no moment of the calendar.
    """
    roster = decode_roster_message(value)
    if roster is None:
        return None
    return place.row(
        moment=moment_of(roster.time),
        kind=Kind.ROSTER.value,
        type=ROSTER_TYPE,
        leaf=leaf_hash(value),
        value=value,
    )


def damaged_row(place: Provenance, value: bytes | None, kind: Kind, *, error: str = "it has no value") -> Row:
    """Return the row of a value that is in no form of the format; with it goes the place in a stream that it claims."""
    loose = parse_loosely(value) if value is not None and len(value) <= _LARGEST_JSON else None
    return place.row(
        kind=kind.value,
        producer=None if loose is None else loose.producer,
        sequence=None if loose is None else loose.sequence,
        leaf=None if value is None else leaf_hash(value),
        value=value,
        error=error[:MAX_ERROR],
    )


def unreadable_row(place: Provenance, record: DamagedRecord) -> Row:
    """Return the row of records that the source could not read."""
    value = record.raw.value
    return place.row(
        kind=Kind.UNREADABLE.value,
        until=record.end,
        leaf=None if value is None else leaf_hash(value),
        value=value,
        error=f"{record.error}"[:MAX_ERROR],
    )
