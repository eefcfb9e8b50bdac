"""Decodes log records from OTLP's JSON, one at a time.

It differs from the JSON of protobuf: trace and span ids are in hexadecimal, and unknown members are ignored
(https://opentelemetry.io/docs/specs/otlp/, section JSON Protobuf Encoding).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from telemetry.exceptions import EventError
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
    require_number,
)
from telemetry.gateway.request.refused_request import RefusedRequestError

_TRACE_ID: Final = re.compile(r"(?!0{32})[0-9a-fA-F]{32}", re.ASCII)
_SPAN_ID: Final = re.compile(r"(?!0{16})[0-9a-fA-F]{16}", re.ASCII)
_INTEGER: Final = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_NUMBER: Final = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][-+]?[0-9]{1,4})?", re.ASCII)
_NOT_FINITE: Final = frozenset(("NaN", "Infinity", "-Infinity"))
_URL_SAFE: Final = str.maketrans("-_", "+/")
_COMMAS_PER_RECORD: Final = 50
_LEAST_COMMAS: Final = 50_000
_UNSIGNED, _SIGNED = (0, 1 << 64), (-(1 << 63), 1 << 63)
_NULL: Final = msgspec.Raw(b"null")


class _AnyValue(msgspec.Struct, rename="camel"):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: int | float | str | None = None
    array_value: _ArrayValue | None = None
    kvlist_value: _Attributes | None = None
    bytes_value: str | None = None


class _ArrayValue(msgspec.Struct, rename="camel"):
    values: list[_AnyValue | None] | None = None


class _KeyValue(msgspec.Struct, rename="camel"):
    key: str | None = None
    value: _AnyValue | None = None


class _Attributes(msgspec.Struct, rename="camel"):
    values: list[_KeyValue] | None = None


class _Resource(msgspec.Struct, rename="camel"):
    attributes: list[_KeyValue] | None = None


class _Scope(msgspec.Struct, rename="camel"):
    name: str | None = None
    version: str | None = None
    attributes: list[_KeyValue] | None = None


class _Record(msgspec.Struct, rename="camel"):
    time_unix_nano: int | str | None = None
    observed_time_unix_nano: int | str | None = None
    severity_number: int | None = None
    severity_text: str | None = None
    event_name: str | None = None
    body: _AnyValue | None = None
    attributes: list[_KeyValue] | None = None
    dropped_attributes_count: int | str | None = None
    flags: int | str | None = None
    trace_id: str | None = None
    span_id: str | None = None


class _ScopeLogs(msgspec.Struct, rename="camel"):
    scope: msgspec.Raw = _NULL
    log_records: list[msgspec.Raw] | None = None


class _ResourceLogs(msgspec.Struct, rename="camel"):
    resource: msgspec.Raw = _NULL
    scope_logs: list[_ScopeLogs] | None = None


class _Request(msgspec.Struct, rename="camel"):
    resource_logs: list[_ResourceLogs] | None = None


_requests = msgspec.json.Decoder(_Request)
_resources = msgspec.json.Decoder(_Resource | None)
_scopes = msgspec.json.Decoder(_Scope | None)
_records = msgspec.json.Decoder(_Record)
_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def json_records(body: bytes, *, max_records: int, max_depth: int) -> Iterator[LogRecord | RefusedRecord]:
    """Return the records of a request in their order; each is decoded when its turn comes.

    Args:
        body: An ``ExportLogsServiceRequest`` in OTLP's JSON.
        max_records: Most records.
        max_depth: How deep a value may be nested.

    Raises:
        RefusedRequestError: The body is none (400), or has too many records (413).
    """
    # The shortest record is two bytes of text and fifty in memory, so that what separates them is counted first.
    require_number((body.count(b",") - _LEAST_COMMAS) // _COMMAS_PER_RECORD, max_records)
    try:
        request = _requests.decode(body)
    except _UNDECODABLE as exc:
        detail = "the body is no ExportLogsServiceRequest in OTLP's JSON; check its Content-Type"
        raise RefusedRequestError(400, detail) from exc
    groups = request.resource_logs or []
    count = sum(len(scope.log_records or []) for group in groups for scope in group.scope_logs or [])
    require_number(count, max_records)
    return decoded(_encoded(groups), _Json(), max_depth=max_depth)


def _encoded(groups: Iterable[_ResourceLogs]) -> Iterator[EncodedGroup]:
    for group in groups:
        for scope in group.scope_logs or []:
            if scope.log_records:
                yield EncodedGroup(group.resource, scope.scope, scope.log_records)


class _Json:
    """An :class:`Encoding`."""

    undecodable: tuple[type[Exception], ...] = _UNDECODABLE

    def origin(self, group: EncodedGroup, bounds: ValueBounds) -> Origin:
        resource = _resources.decode(group.resource) or _Resource()
        scope = _scopes.decode(group.scope) or _Scope()
        attributes = _mapping(scope.attributes, bounds)
        return origin_of(
            _mapping(resource.attributes, bounds), name=scope.name, version=scope.version, attributes=attributes
        )

    def record(self, data: msgspec.Raw, origin: Origin, bounds: ValueBounds) -> LogRecord:
        record = _records.decode(data)
        return LogRecord(
            origin=origin,
            time=_integer(record.time_unix_nano, _UNSIGNED),
            observed=_integer(record.observed_time_unix_nano, _UNSIGNED),
            severity=record.severity_number or 0,
            severity_text=record.severity_text or "",
            event_name=record.event_name or "",
            body=_value(record.body, bounds),
            attributes=_mapping(record.attributes, bounds),
            dropped=_integer(record.dropped_attributes_count, _UNSIGNED),
            flags=_integer(record.flags, _UNSIGNED) & TRACE_FLAGS,
            trace_id=_id(record.trace_id, _TRACE_ID),
            span_id=_id(record.span_id, _SPAN_ID),
        )


def _mapping(pairs: Sequence[_KeyValue] | None, bounds: ValueBounds, depth: int = 0) -> dict[str, Value]:
    bounds.open(len(pairs or ()), depth)
    return distinct([(pair.key or "", _value(pair.value, bounds, depth)) for pair in pairs or ()])


def _value(value: _AnyValue | None, bounds: ValueBounds, depth: int = 0) -> Value:  # noqa: PLR0911 - one kind of value each
    match value:
        case None:
            return None
        case _AnyValue(string_value=str(text)):
            return text
        case _AnyValue(bool_value=bool(flag)):
            return flag
        case _AnyValue(int_value=int() | str() as number):
            return _integer(number, _SIGNED)
        case _AnyValue(double_value=int() | float() | str() as number):
            return _double(number)
        case _AnyValue(kvlist_value=_Attributes() as attributes):
            return _mapping(attributes.values, bounds, depth + 1)
        case _AnyValue(array_value=_ArrayValue(values=values)):
            bounds.open(len(values or ()), depth + 1)
            return [_value(each, bounds, depth + 1) for each in values or ()]
        case _AnyValue(bytes_value=str(text)):
            return _bytes(text)
        case _:
            return None


def _integer(value: int | str | None, bounds: tuple[int, int]) -> int:
    """Return an integer, which JSON has as a number or, since not every reader keeps 64 bits, as a text."""
    if isinstance(value, str):
        if not _INTEGER.fullmatch(value):
            message = "a text is no integer"
            raise EventError(message)
        value = int(value)
    value = value or 0
    if not bounds[0] <= value < bounds[1]:
        message = "an integer has more than 64 bits"
        raise EventError(message)
    return value


def _double(value: float | str) -> float | str:
    if not isinstance(value, str):
        return double(float(value)) if not isinstance(value, int) or abs(value) < _SIGNED[1] else _too_large()
    if value in _NOT_FINITE:
        return value
    if not _NUMBER.fullmatch(value):
        message = "a text is no number"
        raise EventError(message)
    return double(float(value))


def _too_large() -> float:
    message = "a number is too large"
    raise EventError(message)


def _bytes(text: str) -> bytes:
    plain = text.translate(_URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        message = "a text is no base64"
        raise EventError(message) from None


def _id(text: str | None, form: re.Pattern[str]) -> str:
    """Return an id in lower case; nothing for one that is not valid, as the data model has it."""
    return text.lower() if text and form.fullmatch(text) else ""
