"""Defines the columns of the table of an archive, with the field ids by which every reader of Iceberg finds them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from telemetry.exceptions import MissingExtraError
from telemetry.format.value.message import CLEAR_ATTRIBUTES

try:
    import pyarrow as pa
except ImportError as exc:
    feature = "an archive"
    raise MissingExtraError(feature, "archive") from exc

LEAF_BYTES = 32

MICROSECONDS = 1_000_000
DAY_MICROSECONDS = 86_400 * MICROSECONDS


class Kind(StrEnum):
    """What a row is.

    Attributes:
        EVENT: An event; one without a value was redacted.
        CHECKPOINT: A producer's signed checkpoint; its sequence is the size of the tree.
        ROSTER: A witness's roster.
        DAMAGED: A value in no form of the format, kept as it was found.
        TOMBSTONE: A record without a value.
        UNREADABLE: Records that the source could not read: the offsets from ``offset`` up to ``until``.
        ENDED: Events whose retention has ended: the sequences from ``sequence`` up to ``until``, and their leaf hashes.
    """

    EVENT = "event"
    CHECKPOINT = "checkpoint"
    ROSTER = "roster"
    DAMAGED = "damaged"
    TOMBSTONE = "tombstone"
    UNREADABLE = "unreadable"
    ENDED = "ended"


class Column(NamedTuple):
    """One column.

    Attributes:
        field_id: Its id in Parquet and Iceberg; never changed, and never given to another column.
        name: Its name.
        type: Its type in Arrow.
    """

    field_id: int
    name: str
    type: pa.DataType


_MOMENT = pa.timestamp("us", tz="UTC")
_FIRST_CLEAR_ID = 100
"""A new clear attribute of the format gets the next id from here on."""
_FIRST_REDACTION_ID = 200
_IMPLIED = ("environment", "servicename")
"""Clear attributes that repeat the source: a value in which they differ from it is damaged."""

CLEAR_COLUMNS = ("traceparent", *(name for name in CLEAR_ATTRIBUTES if name not in _IMPLIED))
"""Attributes of a value that may say who did what to whom, where the service projects them; null otherwise."""

_REDACTION = pa.struct(
    [
        pa.field(name, type_, metadata={"PARQUET:field_id": str(_FIRST_REDACTION_ID + number)})
        for number, (name, type_) in enumerate(
            (("at", _MOMENT), ("by", pa.string()), ("reason", pa.string()), ("request", pa.string()))
        )
    ]
)

_TABLE = (
    Column(1, "day", pa.date32()),
    Column(2, "service", pa.string()),
    Column(3, "environment", pa.string()),
    Column(4, "kind", pa.string()),
    Column(5, "producer", pa.string()),
    Column(6, "sequence", pa.int64()),
    Column(7, "until", pa.int64()),
    Column(8, "time", _MOMENT),
    Column(9, "id", pa.string()),
    Column(10, "type", pa.string()),
    *(
        Column(_FIRST_CLEAR_ID + number, name, pa.bool_() if name == "sensitive" else pa.string())
        for number, name in enumerate(CLEAR_COLUMNS)
    ),
    Column(11, "keyhash", pa.string()),
    Column(12, "kid", pa.string()),
    Column(13, "keyid", pa.string()),
    Column(14, "topic", pa.string()),
    Column(15, "partition", pa.int32()),
    Column(16, "offset", pa.int64()),
    Column(17, "kafka_time", _MOMENT),
    Column(18, "append_time", pa.bool_()),
    Column(19, "object", pa.string()),
    Column(20, "line", pa.int64()),
    Column(21, "leaf", pa.binary(LEAF_BYTES)),
    Column(22, "value", pa.binary()),
    Column(23, "key", pa.binary()),
    Column(24, "found_keyhash", pa.string()),
    Column(25, "headers", pa.binary()),
    Column(26, "error", pa.string()),
    Column(27, "redacted", _REDACTION),
    # The value of a checkpoint once more: the notes are read without all the values of events around them.
    Column(28, "checkpoint", pa.binary()),
)

SCHEMA = pa.schema([pa.field(one.name, one.type, metadata={"PARQUET:field_id": str(one.field_id)}) for one in _TABLE])
"""The columns as Arrow has them; every one may be null."""

COLUMNS = tuple(one.name for one in _TABLE)
SORT_COLUMNS = ("service", "producer", "sequence", "kind", "topic", "partition", "offset")
"""The order of the rows of a file, nulls first; rows that are equal in all of them keep the order of their arrival."""
WIDE_COLUMNS = ("leaf", "value", "key", "headers")
"""Columns that are most of a file's bytes."""
NARROW_COLUMNS = tuple(name for name in COLUMNS if name not in WIDE_COLUMNS)
PERSONAL_COLUMNS = ("keyhash", "key", "found_keyhash", "headers", *CLEAR_COLUMNS)
"""Columns that may say whom an event is about."""

Row = tuple[Any, ...]
"""One row, its values in the order of ``COLUMNS``: the day in days since the epoch, times in microseconds since the
epoch, texts as ``str`` or as UTF-8 bytes, ``redacted`` as a dictionary or None."""


def row(**columns: Any) -> Row:
    """Return a row; columns that are not named are null.

    Raises:
        TypeError: There is no column of a name.
    """
    unknown = columns.keys() - set(COLUMNS)
    if unknown:
        message = f"an archive has no column {', '.join(sorted(unknown))}"
        raise TypeError(message)
    return tuple([columns.get(name) for name in COLUMNS])
