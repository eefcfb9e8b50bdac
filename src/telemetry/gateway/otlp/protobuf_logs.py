"""Decodes log records from protobuf, one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as EncodedRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from telemetry.gateway.otlp.decoding import EncodedGroup, decoded, origin_of
from telemetry.gateway.otlp.log_record import (
    TRACE_FLAGS,
    LogRecord,
    Origin,
    RefusedRecord,
    Value,
    ValueBounds,
    distinct,
    double,
)
from telemetry.gateway.otlp.wire import encoded_groups

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
    return decoded(encoded_groups(body, max_records=max_records), _Protobuf(), max_depth=max_depth)


class _Protobuf:
    """An :class:`Encoding`."""

    undecodable: tuple[type[Exception], ...] = (DecodeError,)

    def origin(self, group: EncodedGroup, bounds: ValueBounds) -> Origin:
        resource = Resource.FromString(group.resource)
        scope = InstrumentationScope.FromString(group.scope)
        attributes = _mapping(scope.attributes, bounds)
        return origin_of(
            _mapping(resource.attributes, bounds), name=scope.name, version=scope.version, attributes=attributes
        )

    def record(self, data: memoryview, origin: Origin, bounds: ValueBounds) -> LogRecord:
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
            flags=record.flags & TRACE_FLAGS,
            trace_id=_id(record.trace_id, _TRACE_ID_BYTES),
            span_id=_id(record.span_id, _SPAN_ID_BYTES),
        )


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
