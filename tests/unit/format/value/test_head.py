"""Reading head, sequence and key hash of a value: the canonical form alone is accepted."""

from __future__ import annotations

import pytest

from telemetry.exceptions import MalformedRecordError
from telemetry.format.value.head import (
    MAX_HEAD_BYTES,
    LooseRecord,
    parse_head,
    parse_loosely,
    parse_number_and_key,
    parse_sequence,
    start_of_data,
)
from telemetry.format.value.message import MAX_SEQUENCE, SEQUENCE
from telemetry.format.value.render import key_hash, render, render_head

PRODUCER = "0198c0de-0000-7000-8000-00000000000a"
HEAD = render_head("/production/shop", PRODUCER, key_uri="stub://kek", wrapped_key=b"wrapped!")
CLEAR_HEAD = render_head("/production/shop", PRODUCER, key_uri=None, wrapped_key=None)
TAIL = b',"id":"i","time":"t","type":"x","data":'
VALUE = render(HEAD, sequence=7, key=b"ada:shop", tail=TAIL, data=b"eyJh..iv.text.tag", sealed=True)
CLEAR = render(CLEAR_HEAD, sequence=7, key=b"ada:shop", tail=TAIL, data=b"{}", sealed=False)


def test_head_is_read_as_it_was_rendered() -> None:
    attributes = parse_head(VALUE, VALUE.find(SEQUENCE))

    assert (attributes["producer"], attributes["source"]) == (PRODUCER, "/production/shop")
    assert "keyid" not in parse_head(CLEAR, CLEAR.find(SEQUENCE))


@pytest.mark.parametrize(
    "head",
    [
        HEAD.replace(b'","', b'", "', 1),
        HEAD.replace(b'"source"', b'"more":"x","source"'),
        HEAD.replace(PRODUCER.encode(), b"me"),
        HEAD.replace(PRODUCER.encode(), PRODUCER.upper().encode()),
        HEAD.replace(b"d3JhcHBlZCE=", b"d3JhcHBlZCF="),
        HEAD.replace(b"d3JhcHBlZCE=", b"not base64"),
        HEAD.replace(b"d3JhcHBlZCE=", b"\\u00e9"),
        HEAD.replace(b'"1.0"', b"1.0"),
        HEAD.replace(b"shop", b"x" * MAX_HEAD_BYTES),
        HEAD.replace(b"shop", b"\xff"),
        HEAD.replace(b'"source":"/production/shop",', b""),
        SEQUENCE,
        b"",
    ],
)
def test_other_heads_are_malformed(head: bytes) -> None:
    value = head + VALUE[len(HEAD) :]

    with pytest.raises(MalformedRecordError):
        parse_head(value, value.find(SEQUENCE))


@pytest.mark.parametrize(
    ("text", "sequence"),
    [
        (b"0,", 0),
        (b"12,", 12),
        (b"%d," % MAX_SEQUENCE, MAX_SEQUENCE),
        (b"%d," % (MAX_SEQUENCE + 1), -1),
        (b"9" * 40 + b",", -1),
        (b"01,", -1),
        (b"-1,", -1),
        (b"1.0,", -1),
        (b" 1,", -1),
        (b"\xd9\xa1,", -1),
        (b",", -1),
        (b"1", -1),
    ],
)
def test_sequence_in_canonical_form_only(text: bytes, sequence: int) -> None:
    assert parse_sequence(b"head" + text, 4) == sequence
    assert parse_number_and_key(b"head" + text, 4) == (sequence, b"")
    if text.endswith(b","):
        assert parse_number_and_key(b"head" + text + b'"keyhash":"', 4)[0] == sequence


def test_number_and_hash_of_the_key() -> None:
    assert parse_number_and_key(VALUE, len(HEAD)) == (7, key_hash(b"ada:shop") + b'"')


def test_start_of_data_includes_the_header() -> None:
    assert start_of_data(VALUE, sealed=True) == b',"data":"eyJh.'
    assert start_of_data(CLEAR, sealed=False) == b',"data":{'


@pytest.mark.parametrize(
    ("value", "sealed"), [(CLEAR, True), (VALUE, False), (VALUE.replace(b".", b""), True), (b"", True), (b"", False)]
)
def test_no_start_of_data_in_another_form(value: bytes, *, sealed: bool) -> None:
    assert start_of_data(value.replace(b'"1.0"', b'"1"'), sealed=sealed) == b""


def test_claimed_place_of_any_json() -> None:
    text = f'{{ "sequence": 3, "producer": "{PRODUCER}", "more": [] }}'

    assert parse_loosely(text.encode()) == LooseRecord(PRODUCER, 3)
    for other in (text.replace("3", "-3"), text.replace("-", ""), text[1:], "[" * 100_000):
        assert parse_loosely(other.encode()) is None
