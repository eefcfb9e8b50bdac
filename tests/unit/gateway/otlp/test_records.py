"""Both encodings say the same, and what is hostile in either is refused."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs, ScopeLogs

from telemetry.gateway.otlp.json_logs import json_records
from telemetry.gateway.otlp.log_record import MAX_ORIGIN_BYTES, MAX_RECORD_BYTES, LogRecord, RefusedRecord
from telemetry.gateway.otlp.protobuf_logs import protobuf_records
from telemetry.gateway.request.refused_request import RefusedRequestError
from tests.support.otlp_requests import SPAN_ID, TIME, TRACE_ID, as_json, record, request

Records = Iterator[LogRecord | RefusedRecord]


def from_protobuf(message: Any, **limits: int) -> Records:
    return protobuf_records(message.SerializeToString(), **{"max_records": 100, "max_depth": 16, **limits})


def from_json(message: Any, **limits: int) -> Records:
    return json_records(as_json(message), **{"max_records": 100, "max_depth": 16, **limits})


def found_or_status(read: Callable[[], Records]) -> list[LogRecord | RefusedRecord] | int:
    """Return the records, or the status with which the request is refused."""
    try:
        return list(read())
    except RefusedRequestError as exc:
        return exc.status


both = pytest.mark.parametrize("read", [from_protobuf, from_json], ids=["protobuf", "json"])


@both
def test_every_member_is_read(read: Callable[..., Records]) -> None:
    attributes = {"text": "a", "yes": True, "many": [1, -2.5, b"\x00\xff"], "map": {"inner": {"none": None}}}
    sent = record(
        "order.refunded",
        attributes,
        {"amount": 1 << 60},
        observed_time_unix_nano=TIME + 1,
        severity_number=9,
        severity_text="INFO",
        dropped_attributes_count=3,
        flags=0x101,
        trace_id=TRACE_ID,
        span_id=SPAN_ID,
    )

    (found,) = read(request(sent))

    assert isinstance(found, LogRecord)
    assert found.origin.resource == {"service.name": "shop"}
    assert found.origin.scope == {"name": "shop.login", "version": "1.2"}
    assert (found.time, found.observed, found.event_name) == (TIME, TIME + 1, "order.refunded")
    assert (found.severity, found.severity_text, found.dropped, found.flags) == (9, "INFO", 3, 1)
    assert (found.body, found.attributes) == ({"amount": 1 << 60}, attributes)
    assert (found.trace_id, found.span_id) == (TRACE_ID.hex(), SPAN_ID.hex())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4), VALUES, st.text(), st.integers(0, (1 << 64) - 1))
def test_both_encodings_say_the_same(attributes: dict[str, Any], body: Any, name: str, time: int) -> None:
    sent = request(record(name, attributes, body, time_unix_nano=time), record())

    assert list(from_protobuf(sent)) == list(from_json(sent))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (protobuf_records, json_records):
        found = found_or_status(partial(read, data, max_records=5, max_depth=4))
        assert found in {400, 413} if isinstance(found, int) else len(found) <= 5


@given(st.data())
def test_damaged_requests_are_read_or_refused(data: st.DataObject) -> None:
    sent = request(record("a", {"b": [1, {"c": "d"}]}, "e", trace_id=TRACE_ID), record("f"))
    for read, encoded in ((protobuf_records, sent.SerializeToString()), (json_records, as_json(sent))):
        place = data.draw(st.integers(0, len(encoded) - 1))
        damaged = encoded[:place] + data.draw(st.binary(max_size=3)) + encoded[place + 1 :]
        found = found_or_status(partial(read, damaged, max_records=5, max_depth=4))
        assert found in {400, 413} if isinstance(found, int) else len(found) <= 5


@both
def test_one_bad_record_refuses_no_other(read: Callable[..., Records]) -> None:
    large = record("large", {"text": "x" * MAX_RECORD_BYTES})
    twice = record("twice")
    twice.attributes.extend(record(attributes={"user.id": "ada"}).attributes)
    twice.attributes.extend(record(attributes={"user.id": "eve"}).attributes)

    found = list(read(request(record("first"), large, twice, record("last"))))

    assert [each.event_name if isinstance(each, LogRecord) else each.reason for each in found] == [
        "first",
        f"it has more than {MAX_RECORD_BYTES} bytes",
        "an attribute is there twice",
        "last",
    ]


@both
@pytest.mark.parametrize("depth", [5, 40, 300, 30_000])
def test_deep_values_are_refused(read: Callable[..., Records], depth: int) -> None:
    if read is from_protobuf:
        value = b""
        for _ in range(depth):  # an array in an array: field 1 of ArrayValue in field 5 of AnyValue
            value = _enclosed(_enclosed(value, 1), 5)
        body = _enclosed(_enclosed(_enclosed(_enclosed(value, 5), 2), 2), 1)
        found = list(protobuf_records(body, max_records=5, max_depth=4))
    else:
        text = b'{"arrayValue":{"values":[' * depth + b"{}" + b"]}}" * depth
        body = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":' + text + b"}]}]}]}"
        if depth > 1_000:
            assert found_or_status(partial(json_records, body, max_records=5, max_depth=4)) == 400
            return
        found = list(json_records(body, max_records=5, max_depth=4))

    assert [type(each) for each in found] == [RefusedRecord]


def _length(data: bytes) -> bytes:
    number, encoded = len(data), b""
    while number > 127:
        encoded += bytes([number & 127 | 128])
        number >>= 7
    return encoded + bytes([number])


def _enclosed(data: bytes, number: int) -> bytes:
    return bytes([number << 3 | 2]) + _length(data) + data


@both
def test_resource_and_scope_are_bounded(read: Callable[..., Records]) -> None:
    found = list(read(request(record(), record(), resource={"text": "x" * MAX_ORIGIN_BYTES})))

    assert found == [RefusedRecord(f"its resource or scope has more than {MAX_ORIGIN_BYTES} bytes")] * 2


@both
def test_number_of_records_is_bounded(read: Callable[..., Records]) -> None:
    assert len(list(read(request(*[record()] * 5), max_records=5))) == 5
    with pytest.raises(RefusedRequestError, match="more than 5 records") as refused:
        read(request(*[record()] * 6), max_records=5)
    assert refused.value.status == 413


@pytest.mark.parametrize(
    "bomb",
    [
        b"\x0a\x00" * 4_000_000,
        _enclosed(b"\x12\x00" * 4_000_000, 1),
        _enclosed(_enclosed(b"\x12\x00" * 4_000_000, 2), 1),
        _enclosed(_enclosed(_enclosed(b"\x32\x00" * 4_000_000, 2), 2), 1),
        _enclosed(b"\x0a\x00" * 4_000_000 + b"\x12\x00", 1),
        b"\x78\x00" * 4_000_000,
        _enclosed(_enclosed(b"\x7d\x00\x00\x00\x00" * 1_000_000, 2), 1),
    ],
    ids=["resources", "scopes", "records", "attributes", "merged", "numbers", "unknown"],
)
def test_empty_messages_fill_no_memory(bomb: bytes) -> None:
    tracemalloc.start()
    try:
        found = found_or_status(lambda: itertools.islice(protobuf_records(bomb, max_records=1_000, max_depth=4), 2_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert found == 413 if isinstance(found, int) else not any(isinstance(each, LogRecord) for each in found)
    assert peak < 16 << 20


@pytest.mark.parametrize("element", [b"0", b"{}"])
def test_short_json_elements_fill_no_memory(element: bytes) -> None:
    body = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + b",".join([element] * 4_000_000) + b"]}]}]}"
    with pytest.raises(RefusedRequestError, match="more than"):
        json_records(body, max_records=1_000, max_depth=4)


def test_parts_that_come_twice_are_merged() -> None:
    sent = request(record(), resource={"a": "1"})
    (group,) = sent.resource_logs
    more = ResourceLogs(resource=request(resource={"b": "2"}).resource_logs[0].resource)
    body = _enclosed(group.SerializeToString() + more.SerializeToString(), 1)

    (found,) = protobuf_records(body, max_records=5, max_depth=4)

    assert isinstance(found, LogRecord)
    assert found.origin.resource == {"a": "1", "b": "2"}


def test_unknown_parts_are_skipped() -> None:
    scope = ScopeLogs(log_records=[record()]).SerializeToString()
    body = _enclosed(b"\xa0\x06\x01" + _enclosed(b"\xa5\x06\x00\x00\x00\x00" + scope, 2) + b"\xa1\x06" + b"\x00" * 8, 1)
    text = (
        b'{"x":[1],"resourceLogs":[{"y":{},"scopeLogs":[{"z":0,"logRecords":[{"eventName":"user.login","w":"v"}]}]}]}'
    )

    (from_bytes,) = protobuf_records(body, max_records=5, max_depth=4)
    (from_text,) = json_records(text, max_records=5, max_depth=4)

    assert isinstance(from_bytes, LogRecord)
    assert isinstance(from_text, LogRecord)
    assert from_bytes.event_name == from_text.event_name == "user.login"


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ('"timeUnixNano":"1.5"', "a text is no integer"),
        ('"timeUnixNano":-1', "an integer has more than 64 bits"),
        ('"timeUnixNano":"99999999999999999999"', "an integer has more than 64 bits"),
        ('"body":{"intValue":"9223372036854775808"}', "an integer has more than 64 bits"),
        ('"body":{"doubleValue":"1,5"}', "a text is no number"),
        ('"body":{"bytesValue":"ä"}', "a text is no base64"),
        ('"body":{"bytesValue":"a"}', "a text is no base64"),
        ('"body":{"stringValue":7}', "it cannot be decoded"),
        ('"severityNumber":"SEVERITY_NUMBER_INFO"', "it cannot be decoded"),
        ('"attributes":{}', "it cannot be decoded"),
    ],
)
def test_wrong_json_members_are_refused(member: str, reason: str) -> None:
    body = f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{{member}}}]}}]}}]}}'.encode()

    assert list(json_records(body, max_records=5, max_depth=4)) == [RefusedRecord(reason)]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('{"intValue":"-7"}', -7),
        ('{"intValue":7}', 7),
        ('{"doubleValue":7}', 7.0),
        ('{"doubleValue":"1e3"}', 1000.0),
        ('{"doubleValue":"NaN"}', "NaN"),
        ('{"doubleValue":"-Infinity"}', "-Infinity"),
        ('{"bytesValue":"_-8"}', b"\xff\xef"),
        ('{"bytesValue":"/+8="}', b"\xff\xef"),
        ('{"arrayValue":{"values":[{"boolValue":false},null]}}', [False, None]),
        ('{"kvlistValue":{}}', {}),
        ('{"stringValue":null}', None),
        ("null", None),
        ("{}", None),
    ],
)
def test_forms_of_json_values(value: str, found: Any) -> None:
    body = f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{value}}}]}}]}}]}}'.encode()

    (read,) = json_records(body, max_records=5, max_depth=4)

    assert isinstance(read, LogRecord)
    assert read.body == found


@pytest.mark.parametrize(
    ("trace_id", "span_id", "found"),
    [
        ("AB" * 16, "CD" * 8, ("ab" * 16, "cd" * 8)),
        ("0" * 32, "0" * 16, ("", "")),
        ("ab" * 8, "ab" * 16, ("", "")),
        ("zz" * 16, "zz" * 8, ("", "")),
        ("", "", ("", "")),
    ],
    ids=["upper", "zero", "length", "letters", "empty"],
)
def test_invalid_ids_are_ignored(trace_id: str, span_id: str, found: tuple[str, str]) -> None:
    body = f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"traceId":"{trace_id}","spanId":"{span_id}"}}]}}]}}]}}'

    (read,) = json_records(body.encode(), max_records=5, max_depth=4)

    assert isinstance(read, LogRecord)
    assert (read.trace_id, read.span_id) == found


@pytest.mark.parametrize(
    "body", [b"", b"\x0a", b"\x0a\x05a", b"\x0b", b"\x02\x00", b"\xff" * 11, b"[]", b"{", b'"\xff"']
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    for read in (protobuf_records, json_records):
        if read is protobuf_records and body in {b"", b"[]", b"{"}:
            continue  # nothing is a request without records; the others look like one with a truncated part
        with pytest.raises(RefusedRequestError) as refused:
            read(body, max_records=5, max_depth=4)
        assert refused.value.status == 400
