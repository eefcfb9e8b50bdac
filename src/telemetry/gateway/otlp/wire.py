"""Takes an export request in protobuf apart into its records, without decoding them.

An empty message has two bytes on the wire and a hundred in memory. So the records of a request are counted and measured
here, where they are slices of the body, and decoded one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from telemetry.gateway.otlp.decoding import EncodedGroup
from telemetry.gateway.otlp.log_record import require_number
from telemetry.gateway.request.refused_request import RefusedRequestError

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES: Final = 10
_FIELDS_PER_RECORD: Final = 6

# Numbers of opentelemetry/proto/collector/logs/v1 and opentelemetry/proto/logs/v1.
_RESOURCE_LOGS, _RESOURCE, _SCOPE_LOGS, _SCOPE, _LOG_RECORDS = 1, 1, 2, 1, 2


def encoded_groups(body: bytes, *, max_records: int) -> list[EncodedGroup]:
    """Return the groups of records of an ``ExportLogsServiceRequest``.

    Args:
        body: The request.
        max_records: Most records, and most groups.

    Raises:
        RefusedRequestError: It is no such message (400), or has too many records or groups (413).
    """
    groups: list[EncodedGroup] = []
    count = _Count(max_records)
    for number, resource_logs in _messages(memoryview(body), count):
        if number != _RESOURCE_LOGS:
            continue
        parts = list(_messages(resource_logs, count))
        resource = _merged(parts, _RESOURCE)
        for part, scope_logs in parts:
            if part == _SCOPE_LOGS:
                inner = list(_messages(scope_logs, count))
                records = [record for kind, record in inner if kind == _LOG_RECORDS]
                groups.append(EncodedGroup(resource, _merged(inner, _SCOPE), records))
    require_number(sum(len(group.records) for group in groups), max_records)
    return groups


class _Count:
    """Counts the fields of a request: a few for each record, where each is in a scope and a resource of its own."""

    def __init__(self, max_records: int) -> None:
        self._max_records = max_records
        self._left = _FIELDS_PER_RECORD * max_records

    def add(self) -> None:
        self._left -= 1
        if self._left < 0:
            require_number(self._max_records + 1, self._max_records)


def _merged(parts: list[tuple[int, memoryview]], number: int) -> bytes:
    """Return a part that should be there once: protobuf merges several, which is the same as to join their bytes."""
    return b"".join(part for kind, part in parts if kind == number)


def _messages(data: memoryview, count: _Count) -> Iterator[tuple[int, memoryview]]:
    """Yield number and bytes of the fields that have a length, and skip the others."""
    position, end = 0, len(data)
    while position < end:
        count.add()
        tag, position = _varint(data, position)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise _malformed()
        if kind == _LENGTH:
            length, position = _varint(data, position)
            if length > end - position:
                raise _malformed()
            yield number, data[position : position + length]
            position += length
        elif kind == _VARINT:
            _, position = _varint(data, position)
        elif kind in {_FIXED64, _FIXED32}:
            position += 8 if kind == _FIXED64 else 4
            if position > end:
                raise _malformed()
        else:
            raise _malformed()  # groups, which OTLP has never had


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    for byte in data[position : position + _MAX_VARINT_BYTES]:
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more bytes follow
            return value, position
        shift += 7
    raise _malformed()


def _malformed() -> RefusedRequestError:
    return RefusedRequestError(400, "the body is no ExportLogsServiceRequest in protobuf; check its Content-Type")
