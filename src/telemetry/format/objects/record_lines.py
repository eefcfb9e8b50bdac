"""Encodes and decodes the line of one stored record: a JSON object with key, value, sequence and headers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec

from telemetry.exceptions import FormatError

MAX_HEADERS = 16
"""Headers of one record; this library writes one."""


class StoredRecord(NamedTuple):
    """One record of an object.

    Attributes:
        key: The Kafka key, UTF-8.
        value: The exact bytes of the Kafka value, UTF-8.
        sequence: The event's sequence; None for a checkpoint.
        headers: Kafka headers that are sent with it again, as names and values.
    """

    key: bytes
    value: bytes
    sequence: int | None
    headers: tuple[tuple[str, str], ...] = ()


class _Line(msgspec.Struct, omit_defaults=True):
    """One record as its line states it."""

    key: str
    value: str
    sequence: Annotated[int, msgspec.Meta(ge=0)] | None = None
    headers: Annotated[list[tuple[str, str]], msgspec.Meta(max_length=MAX_HEADERS)] | None = None


_encode_lines = msgspec.json.Encoder().encode_lines
_decode_lines = msgspec.json.Decoder(_Line).decode_lines
_decode_line = msgspec.json.Decoder(_Line).decode


def encode_lines(records: Sequence[StoredRecord]) -> bytes:
    """Return the lines of records, each with its end.

    Raises:
        FormatError: A key or value is not UTF-8.
    """
    try:
        return _encode_lines(
            [
                _Line(key.decode(), value.decode(), sequence, list(headers) or None)
                for key, value, sequence, headers in records
            ]
        )
    except UnicodeError as exc:
        message = "a record of the fallback object is not UTF-8"
        raise FormatError(message) from exc


def decode_lines(lines: bytes | memoryview) -> list[StoredRecord]:
    """Return the records of whole lines.

    Raises:
        FormatError: A line is not a record.
    """
    try:
        return [_record(line) for line in _decode_lines(lines)]
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise _malformed() from exc


def decode_line(line: bytes | memoryview) -> StoredRecord:
    """Return the record of one line.

    Raises:
        FormatError: It is not a record.
    """
    try:
        return _record(_decode_line(line))
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise _malformed() from exc


def _record(line: _Line) -> StoredRecord:
    return StoredRecord(line.key.encode(), line.value.encode(), line.sequence, tuple(line.headers or ()))


def _malformed() -> FormatError:
    message = "the fallback object is refused: a line is not a record"
    return FormatError(message)
