"""The fallback object keeps exact bytes, and any change to it is detected."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.objects import fallback_object
from telemetry.format.objects.fallback_object import (
    StoredRecord,
    decode_header,
    decode_object,
    encode_object,
    require_own_name,
)
from telemetry.format.objects.stored_name import object_name, parse_object_name

PRODUCER = "019ab000-0000-7000-8000-00000000000a"
CREATED = "019ab111-0000-7000-8000-00000000000b"
RECORDS = [
    StoredRecord(b"user-1:payments", b'{"specversion":"1.0","data":"a.b.c"}', 7),
    StoredRecord("ключ:\u2028 é".encode(), '{"text":"\\u00e9 é 事件 \U0001f512 \\n \\"quoted\\" \x7f"}'.encode(), 9),
    StoredRecord(b"", b"", None, (("content-type", "application/json"), ("x", ""))),
    StoredRecord(b"user-1:payments", b'{"sequence": 8,\n"a":\t1 }', 8),
]


def encoded(records: list[StoredRecord] | None = None, **extra: Any) -> bytes:
    return encode_object(
        RECORDS if records is None else records,
        topic="audit-events",
        producer=PRODUCER,
        reason="unreachable",
        created="2025-11-23T12:00:00.000000Z",
        extra=extra or None,
    )


def test_records_come_back_byte_for_byte() -> None:
    decoded = decode_object(encoded())
    assert decoded.records == RECORDS
    header = decoded.header
    assert (header.topic, header.producer, header.reason) == ("audit-events", PRODUCER, "unreachable")
    assert (header.first_sequence, header.last_sequence, header.count) == (7, 9, 4)
    assert header.created == "2025-11-23T12:00:00.000000Z"
    assert header.format_version == 1


def test_object_is_plain_json_lines() -> None:
    head, _, rest = encoded().partition(b"\n")
    header = json.loads(head)
    assert header["sha256"] == hashlib.sha256(rest).hexdigest()
    assert list(header)[-1] == "header_sha256"
    assert header["header_sha256"] == hashlib.sha256(head[: head.index(b',"header_sha256"')]).hexdigest()
    lines = [json.loads(line) for line in rest.split(b"\n")[:-1]]
    assert [line["value"].encode() for line in lines] == [record.value for record in RECORDS]
    assert [line["key"].encode() for line in lines] == [record.key for record in RECORDS]
    assert [line.get("sequence") for line in lines] == [7, 9, None, 8]
    assert rest.endswith(b"\n")


def test_checkpoints_only() -> None:
    decoded = decode_object(encoded([StoredRecord(b"k", b"{}", None)]))
    assert (decoded.header.first_sequence, decoded.header.last_sequence, decoded.header.count) == (None, None, 1)


def test_same_input_gives_the_same_bytes() -> None:
    # An object whose acknowledgement was lost is compared with what is stored.
    assert encoded() == encoded()


def test_unknown_members_of_the_header_survive() -> None:
    extra: dict[str, Any] = {"batch": "b-1", "more": {"a": [1, None, 2.5]}}
    decoded = decode_object(encoded(**extra))
    assert decoded.header.extra == extra
    again = encode_object(
        decoded.records,
        topic=decoded.header.topic,
        producer=decoded.header.producer,
        reason=decoded.header.reason,
        created=decoded.header.created,
        extra=decoded.header.extra,
    )
    assert again == encoded(**extra)


def resealed(change: Callable[[dict[str, Any], list[bytes]], None]) -> bytes:
    """Change an object as somebody would who computes the digests anew."""
    head, *lines = encoded().split(b"\n")[:-1]
    header = json.loads(head)
    change(header, lines)
    rest = b"".join(line + b"\n" for line in lines)
    if header.get("sha256") == json.loads(head)["sha256"]:
        header["sha256"] = hashlib.sha256(rest).hexdigest()
    header.pop("header_sha256", None)
    start = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()[:-1]
    return start + b',"header_sha256":"' + hashlib.sha256(start).hexdigest().encode() + b'"}\n' + rest


def test_resealing_without_a_change_is_accepted() -> None:
    assert decode_object(resealed(lambda _header, _lines: None)).records == RECORDS


def test_unknown_member_of_a_line_is_accepted() -> None:
    def change(_header: dict[str, Any], lines: list[bytes]) -> None:
        lines[0] = lines[0][:-1] + b',"later":{"a":1}}'

    assert decode_object(resealed(change)).records == RECORDS


def _set(name: str, value: object = None) -> Callable[[dict[str, Any], list[bytes]], None]:
    return lambda header, _lines: header.__setitem__(name, value)


def _line(number: int, value: bytes) -> Callable[[dict[str, Any], list[bytes]], None]:
    return lambda _header, lines: lines.__setitem__(number, value)


TAMPERED = {
    "count too large": _set("count", 5),
    "count too small": _set("count", 3),
    "first sequence": _set("first_sequence", 6),
    "last sequence": _set("last_sequence", 10),
    "no sequences": lambda header, _lines: header.update(first_sequence=None, last_sequence=None),
    "digest of the records": _set("sha256", "0" * 64),
    "digest that is no digest": _set("sha256", "é"),
    "line removed": lambda _header, lines: lines.pop(),
    "line doubled": lambda _header, lines: lines.append(lines[0]),
    "record's sequence": _line(0, b'{"key":"k","value":"v","sequence":1}'),
}
MALFORMED = {
    "unknown version": _set("format_version", 2),
    "version zero": _set("format_version", 0),
    "version true": _set("format_version", value=True),
    "version text": _set("format_version", "1"),
    "no version": lambda header, _lines: header.pop("format_version"),
    "no topic": lambda header, _lines: header.pop("topic"),
    "topic a number": _set("topic", 1),
    "count negative": _set("count", -1),
    "count zero": _set("count", 0),
    "count text": _set("count", "4"),
    "first sequence negative": _set("first_sequence", -1),
    "blank line": _line(0, b""),
    "line not JSON": _line(0, b"nonsense"),
    "line an array": _line(0, b'["k","v"]'),
    "line without value": _line(0, b'{"key":"k"}'),
    "line without key": _line(0, b'{"value":"v"}'),
    "value a number": _line(0, b'{"key":"k","value":1}'),
    "sequence negative": _line(0, b'{"key":"k","value":"v","sequence":-1}'),
    "sequence a fraction": _line(0, b'{"key":"k","value":"v","sequence":1.5}'),
    "sequence huge": _line(0, b'{"key":"k","value":"v","sequence":99999999999999999999999}'),
    "headers no pairs": _line(0, b'{"key":"k","value":"v","headers":[["a"]]}'),
    "line not UTF-8": _line(0, b'{"key":"\xff","value":"v","sequence":7}'),
    "lone surrogate": _line(0, b'{"key":"\\ud800","value":"v","sequence":7}'),
    "nested too deeply": _line(0, b'{"key":"k","value":"v","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED.keys())
def test_object_that_contradicts_itself(change: Callable[[dict[str, Any], list[bytes]], None]) -> None:
    with pytest.raises(TamperedError):
        decode_object(resealed(change))


@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED.keys())
def test_object_that_is_malformed(change: Callable[[dict[str, Any], list[bytes]], None]) -> None:
    with pytest.raises((FormatError, TamperedError)):
        decode_object(resealed(change))


def test_each_byte_altered() -> None:
    data = bytearray(encoded())
    for place in range(len(data)):
        for bit in (0x01, 0x20, 0x80):
            data[place] ^= bit
            with pytest.raises((FormatError, TamperedError)):
                decode_object(bytes(data))
            data[place] ^= bit
    assert decode_object(bytes(data)).records == RECORDS


def test_cut_off_anywhere() -> None:
    data = encoded()
    for end in range(len(data)):
        with pytest.raises((FormatError, TamperedError)):
            decode_object(data[:end])


@pytest.mark.parametrize("more", [b"\n", b" ", b'{"key":"k","value":"v"}\n', b"\x00"])
def test_bytes_appended(more: bytes) -> None:
    with pytest.raises((FormatError, TamperedError)):
        decode_object(encoded() + more)


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"{}\n", b"[]\n", b"null\n", b"\xff\xfe\n", b"{" * 60_000 + b"\n", b"x" * 70_000 + b"\n"]
)
def test_not_a_fallback_object(data: bytes) -> None:
    with pytest.raises(FormatError):
        decode_object(data)


def test_header_alone() -> None:
    data = encoded()
    head = data[: data.index(b"\n") + 1]
    assert decode_header(head + b"cut off") == decode_object(data).header
    altered = head.replace(b"audit-events", b"other-events")
    with pytest.raises(TamperedError):
        decode_header(altered)
    with pytest.raises(FormatError):
        decode_header(head[:-1])


@pytest.mark.parametrize(
    "records",
    [
        [],
        [StoredRecord(b"\xff", b"{}", 1)],
        [StoredRecord(b"k", b"\xed\xa0\x80", 1)],
        [StoredRecord(b"k", b"\xc3", None)],
    ],
    ids=["nothing", "key not UTF-8", "surrogate", "cut character"],
)
def test_records_that_cannot_be_kept(records: list[StoredRecord]) -> None:
    with pytest.raises(FormatError):
        encoded(records)


@pytest.mark.parametrize("name", ["topic", "sha256", "header_sha256", "count"])
def test_extra_member_with_a_reserved_name(name: str) -> None:
    with pytest.raises(FormatError, match="reserved"):
        encode_object(RECORDS, topic="t", producer=PRODUCER, reason="r", extra={name: "x"})


def test_bounds_on_size_and_count(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded()
    assert decode_object(data, max_bytes=len(data)).records == RECORDS
    with pytest.raises(FormatError, match="larger than"):
        decode_object(data, max_bytes=len(data) - 1)
    with pytest.raises(FormatError, match="header"):
        encoded(x="x" * (64 << 10))
    monkeypatch.setattr(fallback_object, "MAX_OBJECT_BYTES", len(data) - 1)
    with pytest.raises(FormatError, match="larger than"):
        encoded()
    monkeypatch.setattr(fallback_object, "MAX_RECORDS", 3)
    for attempt in (lambda: decode_object(data), encoded):
        with pytest.raises(FormatError, match="1 to 3 records"):
            attempt()


def test_no_message_holds_a_payload() -> None:
    canary = "canary-4711"
    for line in (
        b'{"key":"' + canary.encode() + b'"}',
        b'{"key":"k","value":"' + canary.encode() + b'","sequence":-1}',
    ):
        with pytest.raises(FormatError) as raised:
            decode_object(resealed(_line(0, line)))
        assert canary not in str(raised.value)
        assert canary not in str(raised.value.__cause__)


NAME = f"audit-events/2025/11/23/{CREATED}-{PRODUCER}-7-9.jsonl"


def test_name_of_an_object() -> None:
    name = object_name("audit-events", created_uuid7=CREATED, day="2025/11/23", producer=PRODUCER, first=7, last=9)
    assert name == NAME
    parsed = parse_object_name(name)
    assert parsed == ("audit-events", "2025/11/23", CREATED, PRODUCER, 7, 9)


def test_name_of_an_object_of_checkpoints() -> None:
    name = object_name("t", created_uuid7=CREATED, day="2025/11/23", producer=PRODUCER, first=None, last=None)
    assert name.endswith("-none-none.jsonl")
    assert parse_object_name(name) == ("t", "2025/11/23", CREATED, PRODUCER, None, None)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "readme.txt",
        NAME[:-1],
        NAME + "x",
        NAME + "\n",
        "/" + NAME,
        "rejected/" + NAME,
        "quarantine/" + NAME,
        "locks/replay-audit-events/00000000000000000001",
        NAME.replace("audit-events/", "../"),
        NAME.replace("audit-events/", "./"),
        NAME.replace("2025/11", "2025/1"),
        NAME.replace("-7-9", "-9-7"),
        NAME.replace("-7-9", "-07-9"),
        NAME.replace("-7-9", "-7-none"),
        NAME.replace("-7-9", "-\u0667-\u0669"),
        NAME.replace("-7-9", "-7-9-1"),
        NAME.replace(PRODUCER, PRODUCER.upper()),
        NAME.replace(PRODUCER, PRODUCER[:-1]),
    ],
)
def test_other_names_are_not_ours(name: str) -> None:
    assert parse_object_name(name) is None


@pytest.mark.parametrize(
    "change",
    [
        {"topic": "a/b"},
        {"topic": ".."},
        {"topic": ""},
        {"day": "2025-11-23"},
        {"producer": "me"},
        {"created_uuid7": "now"},
        {"first": 9, "last": 7},
        {"first": None},
        {"first": -1},
    ],
    ids=str,
)
def test_unparsable_name_is_not_created(change: dict[str, Any]) -> None:
    parts = {"topic": "t", "created_uuid7": CREATED, "day": "2025/11/23", "producer": PRODUCER, "first": 7, "last": 9}
    with pytest.raises(FormatError):
        object_name(**{**parts, **change})


@pytest.mark.parametrize(
    "name",
    [
        NAME.replace("audit-events", "other-events"),
        NAME.replace(PRODUCER, CREATED),
        NAME.replace("-7-9", "-6-9"),
        NAME.replace("-7-9", "-none-none"),
    ],
)
def test_object_with_another_objects_name(name: str) -> None:
    header = decode_object(encoded()).header
    own, other = parse_object_name(NAME), parse_object_name(name)
    assert own is not None
    assert other is not None
    require_own_name(header, own)
    with pytest.raises(TamperedError, match="renamed or exchanged"):
        require_own_name(header, other)
