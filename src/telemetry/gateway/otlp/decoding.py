"""Decodes the records of a request one at a time, in either encoding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from telemetry.exceptions import EventError
from telemetry.gateway.otlp.log_record import (
    MAX_ORIGIN_BYTES,
    MAX_RECORD_BYTES,
    LogRecord,
    Origin,
    RefusedRecord,
    Value,
    ValueBounds,
)

Encoded = Any
"""A part of the body that is not decoded yet; it has the bytes that ``memoryview`` shows."""


class EncodedGroup(NamedTuple):
    """The records of one scope of one resource, encoded.

    Attributes:
        resource: A ``Resource``.
        scope: An ``InstrumentationScope``.
        records: A ``LogRecord`` each.
    """

    resource: Encoded
    scope: Encoded
    records: Sequence[Encoded]


class Encoding(Protocol):
    """One of the two encodings of OTLP.

    Attributes:
        undecodable: What decoding raises for what is not in this encoding. Besides these both methods raise an ``EventError``.
    """

    undecodable: tuple[type[Exception], ...]

    def origin(self, group: EncodedGroup, bounds: ValueBounds) -> Origin:
        """Decode resource and scope."""

    def record(self, data: Encoded, origin: Origin, bounds: ValueBounds) -> LogRecord:
        """Decode a record."""


def decoded(
    groups: Iterable[EncodedGroup], encoding: Encoding, *, max_depth: int
) -> Iterator[LogRecord | RefusedRecord]:
    """Return the records in their order; each is decoded when its turn comes.

    Args:
        groups: The records.
        encoding: How they are encoded.
        max_depth: How deep a value may be nested.
    """
    for group in groups:
        origin = _origin(group, encoding, ValueBounds(max_depth))
        for data in group.records:
            yield (
                origin if isinstance(origin, RefusedRecord) else _record(data, origin, encoding, ValueBounds(max_depth))
            )


def origin_of(
    resource: dict[str, Value], *, name: str | None, version: str | None, attributes: dict[str, Value]
) -> Origin:
    """Return an origin; of its scope what is given.

    Args:
        resource: Attributes of the resource.
        name: Name of the scope.
        version: Version of the scope.
        attributes: Attributes of the scope.
    """
    described = {"name": name, "version": version, "attributes": attributes}
    return Origin(resource, {name: value for name, value in described.items() if value})


def _origin(group: EncodedGroup, encoding: Encoding, bounds: ValueBounds) -> Origin | RefusedRecord:
    if max(_size(group.resource), _size(group.scope)) > MAX_ORIGIN_BYTES:
        return RefusedRecord(f"its resource or scope has more than {MAX_ORIGIN_BYTES} bytes")
    try:
        return encoding.origin(group, bounds)
    except encoding.undecodable:
        return RefusedRecord("its resource or scope cannot be decoded")
    except EventError as exc:
        return RefusedRecord(f"in its resource or scope {exc}")


def _record(data: Encoded, origin: Origin, encoding: Encoding, bounds: ValueBounds) -> LogRecord | RefusedRecord:
    if _size(data) > MAX_RECORD_BYTES:
        return RefusedRecord(f"it has more than {MAX_RECORD_BYTES} bytes")
    try:
        return encoding.record(data, origin, bounds)
    except encoding.undecodable:
        return RefusedRecord("it cannot be decoded")
    except EventError as exc:
        return RefusedRecord(str(exc))


def _size(data: Encoded) -> int:
    return len(memoryview(data))
