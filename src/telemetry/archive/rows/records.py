"""Turns rows of the archive back into records, as readers and the verifier take them from the topic.

Rows are outside input: what a row says beside its value is not believed, and a row in no form of this archive becomes a
damaged record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any, NamedTuple

import pyarrow as pa

from telemetry.archive.rows.columns import LEAF_BYTES, MICROSECONDS, Kind
from telemetry.archive.rows.kept_headers import Headers, decode_headers
from telemetry.exceptions import MalformedRecordError
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.message import MAX_SEQUENCE, source_of
from telemetry.reader.entry import DamagedRecord, EndedRun, Place, RawRecord, RedactedEvent

ArchivedRecord = RawRecord | DamagedRecord | RedactedEvent | EndedRun

RECORD_COLUMNS = (
    *("kind", "topic", "partition", "offset", "object", "line", "value", "key", "found_keyhash", "kafka_time"),
    *(
        "append_time",
        "headers",
        "producer",
        "sequence",
        "until",
        "leaf",
        "service",
        "environment",
        "error",
        "redacted",
        "id",
    ),
)
"""The columns that :func:`records_of` needs."""

_TEXTS = ("reason", "request")
FOUND_KEY = b"sha256:"
"""Begins what is in the place of a Kafka key that was not the one its value names: the hash of that key follows."""


class _RowFields(NamedTuple):
    """One row, in the order of ``RECORD_COLUMNS``."""

    kind: str | None
    topic: str | None
    partition: int | None
    offset: int | None
    object: str | None
    line: int | None
    value: bytes | None
    key: bytes | None
    found_keyhash: str | None
    kafka_time: int | None
    append_time: bool | None
    headers: bytes | None
    producer: str | None
    sequence: int | None
    until: int | None
    leaf: bytes | None
    service: str | None
    environment: str | None
    error: str | None
    redacted: dict[str, Any] | None
    id: str | None


def records_of(
    batch: pa.RecordBatch, *, store_name: str, file: str = "", first_row: int = 0
) -> Iterator[ArchivedRecord]:
    """Yield the record of each row.

    A record of the topic has the place that it had there, one of a fallback object that in the store. Where the archive
    does not keep the Kafka key, the record says so; where it found another key than the value names, it has a key that is
    none of any event's.

    Args:
        batch: Rows with at least the columns of ``RECORD_COLUMNS``.
        store_name: Name of the fallback store, in the place of records that came from there.
        file: Name of the data file, in the place of a row that has no other.
        first_row: Number of the first row of the batch in that file.
    """
    columns = [_values(batch.column(name)) for name in RECORD_COLUMNS]
    for number, values in enumerate(zip(*columns, strict=True), start=first_row):
        fields = _RowFields(*values)
        place = _place_of(fields, store_name)
        if place is None:
            place = Place(store_name, None, number, file)
            if fields.kind == Kind.ENDED:
                yield _ended(fields, place)
            else:
                yield _damaged(fields, place, "a row of the archive names no place on the topic or in the store")
        else:
            yield _record(fields, place)


def _values(column: pa.Array) -> Iterable[Any]:
    if column.null_count == len(column):
        return repeat(None, len(column))
    # Numbers, not datetime objects: a time that no calendar has must not be an exception.
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64()).to_pylist()  # type: ignore[no-any-return]
    if pa.types.is_struct(column.type):
        texts = zip(column.is_valid().to_pylist(), *(column.field(name).to_pylist() for name in _TEXTS), strict=True)
        return [dict(zip(_TEXTS, found, strict=True)) if is_valid else None for is_valid, *found in texts]
    return column.to_pylist()  # type: ignore[no-any-return]


def _place_of(fields: _RowFields, store_name: str) -> Place | None:
    if fields.topic is not None and fields.partition is not None and fields.offset is not None:
        return Place(fields.topic, fields.partition, fields.offset)
    if fields.object is not None and fields.line is not None:
        return Place(store_name, None, fields.line, fields.object)
    return None


def _record(fields: _RowFields, place: Place) -> ArchivedRecord:
    kind = fields.kind
    if kind == Kind.UNREADABLE:
        return _damaged(fields, place, fields.error or "it could not be read")
    if fields.value is None and kind == Kind.EVENT:
        return _redacted(fields, place)
    if (fields.value is None) is not (kind == Kind.TOMBSTONE) or kind == Kind.ENDED:
        return _damaged(fields, place, "a row of the archive has no value, or one that its kind does not have")
    timestamp = None if fields.kafka_time is None else fields.kafka_time / MICROSECONDS
    key, is_kept = _key_of(fields)
    return RawRecord(
        key,
        fields.value,
        place,
        timestamp,
        decode_headers(fields.headers) if fields.headers is not None else _NO_HEADERS,
        timestamp if fields.append_time else None,
        is_kept,
    )


_NO_HEADERS: Headers = ()


def _key_of(fields: _RowFields) -> tuple[bytes | None, bool]:
    """Return the Kafka key as far as it is known, and whether it is."""
    if fields.key is not None:
        return fields.key, True
    if fields.found_keyhash is not None:
        # The empty hash says that the record had no key.
        return FOUND_KEY + fields.found_keyhash.encode() if fields.found_keyhash else None, True
    return None, False


def _redacted(fields: _RowFields, place: Place) -> ArchivedRecord:
    redaction = fields.redacted or {}
    if not _is_in_stream(fields) or len(fields.leaf or b"") != LEAF_BYTES or fields.redacted is None:
        return _damaged(fields, place, "a row of the archive has no value, and does not say who redacted which event")
    return RedactedEvent(
        source=source_of(fields.environment or "", fields.service or ""),
        producer=fields.producer or "",
        sequence=fields.sequence or 0,
        leaf=fields.leaf or b"",
        place=place,
        reason=redaction.get("reason") or "",
        request=redaction.get("request") or "",
        event_id=fields.id if fields.id is not None and is_uuid(fields.id) else "",
    )


def _ended(fields: _RowFields, place: Place) -> ArchivedRecord:
    first, end, leaves = fields.sequence, fields.until, fields.value
    if not _is_in_stream(fields) or first is None or end is None or not first < end <= MAX_SEQUENCE + 1:
        return _damaged(fields, place, "a row of the archive does not say whose retention has ended")
    if leaves is not None and len(leaves) != (end - first) * LEAF_BYTES:
        return _damaged(
            fields, place, "a row of the archive has other leaf hashes than events whose retention has ended"
        )
    return EndedRun(
        source=source_of(fields.environment or "", fields.service or ""),
        producer=fields.producer or "",
        first=first,
        end=end,
        leaves=leaves,
        place=place,
        policy=(fields.redacted or {}).get("reason") or "",
    )


def _is_in_stream(fields: _RowFields) -> bool:
    sequence = fields.sequence
    has_source = fields.service is not None and fields.environment is not None and is_uuid(fields.producer or "")
    return has_source and sequence is not None and 0 <= sequence <= MAX_SEQUENCE


def _damaged(fields: _RowFields, place: Place, reason: str) -> DamagedRecord:
    return DamagedRecord(place, MalformedRecordError(reason), RawRecord(None, fields.value, place))
