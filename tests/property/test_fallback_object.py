"""Writes any records into a fallback object: they come out of it, and no change goes unnoticed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.objects.fallback_object import StoredRecord, decode_header, decode_object, encode_object
from telemetry.format.objects.stored_name import object_name, parse_object_name

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
UTF8 = TEXT.map(str.encode)
SEQUENCES = st.none() | st.integers(0, 2**63 - 1)
HEADERS = st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple)
RECORDS = st.lists(st.builds(StoredRecord, UTF8, UTF8, SEQUENCES, HEADERS), min_size=1, max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
EXTRA = st.dictionaries(TEXT.map(lambda name: f"x-{name}"), JSON, max_size=3)
UUIDS = st.uuids(version=4).map(str)


@given(RECORDS, TEXT, TEXT, TEXT, st.none() | TEXT, EXTRA)
def test_round_trip(
    records: list[StoredRecord], topic: str, producer: str, reason: str, created: str | None, extra: dict[str, object]
) -> None:
    data = encode_object(records, topic=topic, producer=producer, reason=reason, created=created, extra=extra)
    header, found = decode_object(data)
    assert found == records
    assert (header.topic, header.producer, header.reason, header.created) == (topic, producer, reason, created)
    assert header.extra == extra
    assert header.count == len(records)
    assert decode_header(data) == header
    assert data.count(b"\n") == len(records) + 1


@given(RECORDS, st.data())
def test_any_flipped_bit_is_found(records: list[StoredRecord], data: st.DataObject) -> None:
    whole = encode_object(records, topic="t", producer="p", reason="r")
    at = data.draw(st.integers(0, len(whole) * 8 - 1))
    altered = bytearray(whole)
    altered[at // 8] ^= 1 << at % 8
    assert_refused(bytes(altered))


@given(RECORDS, st.data())
def test_any_missing_or_repeated_part(records: list[StoredRecord], data: st.DataObject) -> None:
    whole = encode_object(records, topic="t", producer="p", reason="r")
    begin = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(begin + 1, len(whole)))
    assert_refused(whole[:begin] + whole[end:])
    assert_refused(whole[:end] + whole[begin:])


@given(st.binary(max_size=300))
def test_any_bytes_raise_our_own_error_only(data: bytes) -> None:
    assert_refused(data)


@given(st.text(max_size=80))
def test_any_name_is_parsed_or_refused(name: str) -> None:
    assert parse_object_name(name) is None


@given(
    st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,40}", fullmatch=True),
    st.dates(),
    UUIDS,
    UUIDS,
    st.lists(st.integers(0, 2**31 - 1), min_size=2, max_size=2).map(sorted) | st.just([None, None]),
)
def test_names_round_trip(topic: str, day: object, created: str, producer: str, bounds: list[int | None]) -> None:
    date = str(day).replace("-", "/")
    name = object_name(topic, created_uuid7=created, day=date, producer=producer, first=bounds[0], last=bounds[1])
    assert parse_object_name(name) == (topic, date, created, producer, *bounds)


def assert_refused(data: bytes) -> None:
    try:
        decode_object(data)
    except (FormatError, TamperedError):
        return
    message = "an altered object was accepted"
    raise AssertionError(message)
