"""Builds export requests of OTLP for tests, in both encodings."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

TIME = 1_767_225_600_123_456_789  # 2026-01-01T00:00:00.123456789Z
TRACE_ID = bytes.fromhex("5b8efff798038103d269b633813fc60c")
SPAN_ID = bytes.fromhex("eee19b7ec3c1b174")


def any_value(value: Any) -> AnyValue:  # noqa: PLR0911 - one kind of value each
    """Return a value as OTLP has it."""
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[any_value(each) for each in value]))
        case _:
            return AnyValue(kvlist_value=KeyValueList(values=pairs(value)))


def pairs(values: Mapping[str, Any]) -> list[KeyValue]:
    """Return attributes."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def record(
    event_name: str = "user.login", attributes: Mapping[str, Any] | None = None, body: Any = None, **fields: Any
) -> LogRecord:
    """Return a record of a known time."""
    known = {"time_unix_nano": TIME, "body": any_value(body) if body is not None else None}
    return LogRecord(event_name=event_name, attributes=pairs(attributes or {}), **{**known, **fields})


def request(*records: LogRecord, resource: Mapping[str, Any] | None = None) -> ExportLogsServiceRequest:
    """Return a request with these records of one scope."""
    scope = ScopeLogs(scope=InstrumentationScope(name="shop.login", version="1.2"), log_records=records)
    described = Resource(attributes=pairs({"service.name": "shop"} if resource is None else resource))
    return ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=described, scope_logs=[scope])])


def as_json(message: ExportLogsServiceRequest) -> bytes:
    """Return a request in OTLP's JSON: protobuf's, but for the ids."""
    written = MessageToDict(message, use_integers_for_enums=True)
    for group in written.get("resourceLogs", []):
        for scope in group.get("scopeLogs", []):
            for each in scope.get("logRecords", []):
                for name in ("traceId", "spanId"):
                    if name in each:
                        each[name] = base64.b64decode(each[name]).hex()
    return msgspec.json.encode(written)
