"""Decodes log records from protobuf, one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as EncodedRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from telemetry.exceptions import EventError
from telemetry.gateway.otlp.log_record import (
    MAX_ORIGIN_BYTES,
    MAX_RECORD_BYTES,
    LogRecord,
    Origin,
    RefusedRecord,
    Value,
    ValueBounds,
    distinct,
    double,
)
from telemetry.gateway.otlp.wire import EncodedGroup, encoded_groups

_TRACE_FLAGS: Final = 0xFF
_TRACE_ID_BYTES: Final = 16
_SPAN_ID_BYTES: Final = 8


def protobuf_records(body: bytes, *, max_records: int, max_depth: int) -> Iterator[LogRecord | RefusedRecord]:
    """Return the records of a request in their order; each is decoded when its turn comes.

    Args:
        body: An ``ExportLogsServiceRequest``.
        max_records: Most records.
        max_depth: How deep a value may be nested.

    Raises:
        RefusedRequestError: The body is none (400), or has too many records (413).
    """
    return _decoded(encoded_groups(body, max_records=max_records), max_depth)


def _decoded(groups: Iterable[EncodedGroup], max_depth: int) -> Iterator[LogRecord | RefusedRecord]:
    for group in groups:
        origin = _origin(group, ValueBounds(max_depth))
        for encoded in group.records:
            yield origin if isinstance(origin, RefusedRecord) else _record(encoded, origin, ValueBounds(max_depth))


def _origin(group: EncodedGroup, bounds: ValueBounds) -> Origin | RefusedRecord:
    if max(len(group.resource), len(group.scope)) > MAX_ORIGIN_BYTES:
        return RefusedRecord(f"its resource or scope has more than {MAX_ORIGIN_BYTES} bytes")
    try:
        resource = Resource.FromString(group.resource)
        scope = InstrumentationScope.FromString(group.scope)
        described = {"name": scope.name, "version": scope.version, "attributes": _mapping(scope.attributes, bounds)}
        return Origin(
            _mapping(resource.attributes, bounds), {name: value for name, value in described.items() if value}
        )
    except DecodeError:
        return RefusedRecord("its resource or scope cannot be decoded")
    except EventError as exc:
        return RefusedRecord(f"in its resource or scope {exc}")


def _record(data: memoryview, origin: Origin, bounds: ValueBounds) -> LogRecord | RefusedRecord:
    if len(data) > MAX_RECORD_BYTES:
        return RefusedRecord(f"it has more than {MAX_RECORD_BYTES} bytes")
    try:
        record = EncodedRecord.FromString(bytes(data))
        return LogRecord(
            origin=origin,
            time=record.time_unix_nano,
            observed=record.observed_time_unix_nano,
            severity=record.severity_number,
            severity_text=record.severity_text,
            event_name=record.event_name,
            body=_value(record.body, bounds),
            attributes=_mapping(record.attributes, bounds),
            dropped=record.dropped_attributes_count,
            flags=record.flags & _TRACE_FLAGS,
            trace_id=_id(record.trace_id, _TRACE_ID_BYTES),
            span_id=_id(record.span_id, _SPAN_ID_BYTES),
        )
    except DecodeError:
        return RefusedRecord("it cannot be decoded")
    except EventError as exc:
        return RefusedRecord(str(exc))


def _mapping(pairs: Sequence[KeyValue], bounds: ValueBounds, depth: int = 0) -> dict[str, Value]:
    bounds.open(len(pairs), depth)
    return distinct([(pair.key, _value(pair.value, bounds, depth)) for pair in pairs])


def _value(value: AnyValue, bounds: ValueBounds, depth: int = 0) -> Value:  # noqa: PLR0911 - one kind of value each
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "int_value":
            return value.int_value
        case "bool_value":
            return value.bool_value
        case "double_value":
            return double(value.double_value)
        case "kvlist_value":
            return _mapping(value.kvlist_value.values, bounds, depth + 1)
        case "array_value":
            values = value.array_value.values
            bounds.open(len(values), depth + 1)
            return [_value(each, bounds, depth + 1) for each in values]
        case "bytes_value":
            return value.bytes_value
        case _:
            return None


def _id(data: bytes, length: int) -> str:
    """Return an id in hexadecimal; nothing for one that is not valid, as the data model has it."""
    return data.hex() if len(data) == length and any(data) else ""
