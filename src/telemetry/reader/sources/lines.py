"""Reads and writes records as JSON lines: fallback objects, ``telemetry export --sealed``, ``kcat -J``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from telemetry.exceptions import MalformedRecordError
from telemetry.format import canonical_base64
from telemetry.format.objects.record_lines import StoredRecord
from telemetry.format.proof.leaves import LEAVES_HEADER
from telemetry.format.value.message import MAX_VALUE_BYTES
from telemetry.reader.entry import DamagedRecord, Place, RawRecord

MAX_LINE_BYTES = 2 * MAX_VALUE_BYTES


class _Line(msgspec.Struct):
    key: str | None = None
    value: str | None = None
    payload: str | None = None
    timestamp: float | None = None


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
    try:
        fields = _decode(line)
        value = fields.value if fields.value is not None else fields.payload
        if value is None:
            return damaged_line(line, place, "the line has no value")
        key = None if fields.key is None else fields.key.encode()
        return RawRecord(key, value.encode(), place, fields.timestamp)
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
        "key": None if record.key is None else record.key.decode(),
        "value": None if record.value is None else record.value.decode(),
    }
    return _encode({name: value for name, value in line.items() if value is not None}) + b"\n"


def _header(header: tuple[str, str]) -> tuple[str, bytes]:
    # The leaves beside a checkpoint are bytes; they are stored as base64.
    name, text = header
    data = canonical_base64.decode(text) if name == LEAVES_HEADER else None
    return name, text.encode() if data is None else data
