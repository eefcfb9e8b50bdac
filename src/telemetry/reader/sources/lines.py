"""Reads and writes records as JSON lines: fallback objects, ``telemetry export --sealed``, ``kcat -J``."""

from __future__ import annotations

from typing import Any

import msgspec

from telemetry.exceptions import MalformedRecordError
from telemetry.format.value.message import MAX_VALUE_BYTES
from telemetry.reader.entry import DamagedRecord, Place, RawRecord

MAX_LINE_BYTES = 2 * MAX_VALUE_BYTES


class _Line(msgspec.Struct):
    key: str | None = None
    value: str | None = None
    payload: str | None = None
    timestamp: float | None = None


_decode = msgspec.json.Decoder(_Line).decode
_encode = msgspec.json.Encoder().encode


def read_line(line: bytes, place: Place) -> RawRecord | DamagedRecord:
    """Return the record of a line; a line that is not a record becomes a damaged one.

    Args:
        line: A JSON object with ``key`` and ``value``, or ``key`` and ``payload`` as ``kcat -J`` calls it.
        place: Place of the line.
    """
    try:
        fields = _decode(line)
        value = fields.value if fields.value is not None else fields.payload
        if value is None:
            return damaged_line(line, place, "the line has no value")
        key = None if fields.key is None else fields.key.encode()
        return RawRecord(key, value.encode(), place, fields.timestamp)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return damaged_line(line, place, "the line is not a record: a JSON object with the texts key and value")


def damaged_line(line: bytes, place: Place, reason: str) -> DamagedRecord:
    """Return a line that is not a record, as a damaged one."""
    return DamagedRecord(place, MalformedRecordError(reason), RawRecord(None, line, place))


def write_line(record: RawRecord) -> bytes:
    """Return a record, sealed as it is, as a line with its place.

    Raises:
        ValueError: Key or value is not UTF-8; this library writes no such record.
    """
    place = record.place
    line: dict[str, Any] = {
        "topic": place.source,
        "partition": place.partition,
        "offset": place.offset,
        "timestamp": record.timestamp,
        "key": None if record.key is None else record.key.decode(),
        "value": None if record.value is None else record.value.decode(),
    }
    return _encode({name: value for name, value in line.items() if value is not None}) + b"\n"
