"""Reads and writes records as JSON lines: fallback objects, ``telemetry export --sealed``, ``kcat -J``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from telemetry.exceptions import MalformedRecordError
from telemetry.format import canonical_base64
from telemetry.format.objects.record_lines import MAX_HEADERS, StoredRecord
from telemetry.format.proof.leaves import LEAVES_HEADER
from telemetry.format.value.message import MAX_VALUE_BYTES
from telemetry.reader.entry import DamagedRecord, Place, RawRecord

MAX_LINE_BYTES = 2 * MAX_VALUE_BYTES


class _Line(msgspec.Struct):
    key: str | None = None
    key_kept: bool = True
    value: str | None = None
    payload: str | None = None
    timestamp: float | None = None
    # What a copy says of the place, in whatever form another program has it.
    ts: Any = None
    topic: Any = None
    partition: Any = None
    offset: Any = None
    headers: Any = None


_MAX_TOPIC = 249
"""Characters of the name of a topic (Kafka)."""
_MAX_PARTITION = (1 << 31) - 1
_MAX_OFFSET = (1 << 63) - 1

_LINES = re.compile(rb"([^\n]+)\n")
_decode = msgspec.json.Decoder(_Line).decode
_encode = msgspec.json.Encoder().encode


def numbered_lines(parts: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a text that have any content, with their numbers from 1; a line that is too long, cut.

    A text of nothing but ends of lines costs no memory, and little time.

    Args:
        parts: The text, in parts of any size.
    """
    pieces: list[bytes] = []
    number, size, is_cut = 1, 0, False
    for part in parts:
        end = part.rfind(b"\n") + 1
        # Joined once for each line, so that a long one does not cost the square of its length.
        text = b"".join([*pieces, part[:end]]) if end else b""
        place = 0
        for match in _LINES.finditer(text):
            number += text.count(b"\n", place, match.start())
            place = match.end()
            if not is_cut and match[1].strip():
                yield number, match[1]
            number, is_cut = number + 1, False
        number += text.count(b"\n", place)
        pieces, size = ([part[end:]], len(part) - end) if end else ([*pieces, part], size + len(part))
        if size > MAX_LINE_BYTES or is_cut:
            if not is_cut:
                yield number, b"".join(pieces)
            pieces, size, is_cut = [], 0, True
    rest = b"".join(pieces)
    if rest.strip():
        yield number, rest


def read_line(line: bytes, place: Place) -> RawRecord | DamagedRecord:
    """Return the record of a line; a line that is not a record becomes a damaged one.

    Args:
        line: A JSON object with ``key`` and ``value``, or ``key`` and ``payload`` as ``kcat -J`` calls it.
        place: Place of the line.
    """
    found = copied_line(line, place)
    return found if isinstance(found, DamagedRecord) else found._replace(place=place)


def copied_line(line: bytes, place: Place) -> RawRecord | DamagedRecord:
    """Return the record of a line of a copy, at the place on the topic that the line names.

    Args:
        line: As for :func:`read_line`, with ``topic``, ``partition``, ``offset``, ``timestamp`` and ``headers``; and
            ``key_kept``, which is false where the copy was made of a place that keeps no Kafka keys.
        place: Place of the line, for a record that names none.
    """
    try:
        fields = _decode(line)
        value = fields.value if fields.value is not None else fields.payload
        if value is None:
            return damaged_line(line, place, "the line has no value")
        key = None if fields.key is None else fields.key.encode()
        record = RawRecord(key, value.encode(), _place_of(fields) or place, _timestamp_of(fields), _headers_of(fields))
        return record if fields.key_kept else record._replace(key=None, is_key_kept=False)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return damaged_line(line, place, "the line is not a record: a JSON object with the texts key and value")


def raw_record(record: StoredRecord, place: Place) -> RawRecord:
    """Return a stored record as a raw one, with its headers as Kafka has them."""
    return RawRecord(record.key, record.value, place, headers=tuple(map(_header, record.headers)))


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
        # The leaves beside a checkpoint prove each of its records; nothing else is in a header that must be kept.
        "headers": [(name, canonical_base64.encode(data)) for name, data in record.headers if name == LEAVES_HEADER]
        or None,
        "key": None if record.key is None else record.key.decode(),
        "key_kept": None if record.is_key_kept else False,
        "value": None if record.value is None else record.value.decode(),
    }
    return _encode({name: value for name, value in line.items() if value is not None}) + b"\n"


def _place_of(fields: _Line) -> Place | None:
    topic, partition, offset = fields.topic, fields.partition, fields.offset
    is_named = isinstance(topic, str) and 0 < len(topic) <= _MAX_TOPIC
    if not is_named or not _is_number(partition, _MAX_PARTITION) or not _is_number(offset, _MAX_OFFSET):
        return None
    return Place(topic, partition, offset)


def _timestamp_of(fields: _Line) -> float | None:
    # kcat writes milliseconds.
    return fields.ts / 1_000 if fields.timestamp is None and _is_number(fields.ts, _MAX_OFFSET) else fields.timestamp


def _headers_of(fields: _Line) -> tuple[tuple[str, bytes], ...]:
    if not isinstance(fields.headers, list):
        return ()
    for header in fields.headers[:MAX_HEADERS]:
        match header:
            case [str(name), str(text)] if (
                name == LEAVES_HEADER and (data := canonical_base64.decode(text)) is not None
            ):
                return ((name, data),)
    return ()


def _is_number(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


def _header(header: tuple[str, str]) -> tuple[str, bytes]:
    # The leaves beside a checkpoint are bytes; they are stored as base64.
    name, text = header
    data = canonical_base64.decode(text) if name == LEAVES_HEADER else None
    return name, text.encode() if data is None else data
