from __future__ import annotations

import codecs
import gzip
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from telemetry.exceptions import InputError
from telemetry.ingest.framing.compression import DecompressedSource
from telemetry.ingest.framing.documents import ItemsPath
from telemetry.ingest.framing.frame import Frame
from telemetry.ingest.input import JsonInput

EVENTS: list[dict[str, Any]] = [{"n": n, "text": 'a "[quoted] {text}" \\', "list": [{"x": [n]}]} for n in range(5)]
RECORDS = ItemsPath(("Records",))
MAYBE_RECORDS = ItemsPath(("Records",), is_required=False)


class Pieces:
    """A source that gives its bytes in pieces of one size; a stopped one does not know that it gave all of them."""

    def __init__(self, data: bytes, *, size: int = 3, stopped: bool = False) -> None:
        self.is_ended = False
        self._data = data
        self._size = size
        self._stopped = stopped

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._data), self._size):
            yield self._data[start : start + self._size]
        self.is_ended = not self._stopped


def _frames(data: bytes | str, path: ItemsPath | None = None, **options: Any) -> list[Frame]:
    data = data.encode() if isinstance(data, str) else data
    return list(JsonInput(Pieces(data, **options), path))


def _lines(end: str = "\n") -> str:
    return "".join(json.dumps(event) + end for event in EVENTS)


def _values(frames: list[Frame]) -> list[Any]:
    assert not [frame for frame in frames if frame.fault or frame.is_open]
    return [json.loads(frame.data) for frame in frames]


@pytest.mark.parametrize("size", [1, 3, 70_000])
@pytest.mark.parametrize(
    "data",
    [
        _lines().encode(),
        _lines("\r\n").encode(),
        _lines("\r").encode(),
        _lines().rstrip().encode(),
        _lines().encode() + b"\n \n\0\0\0\0",
        _lines().rstrip().encode() + b"\0\0\0\0",
        codecs.BOM_UTF8 + _lines().encode(),
        _lines().encode("utf-16"),
        codecs.BOM_UTF16_BE + _lines().encode("utf-16-be"),
        _lines().encode("utf-32"),
        gzip.compress(_lines().encode(), mtime=0),
        gzip.compress(_lines().encode("utf-16"), mtime=0),
        gzip.compress(_lines().encode()[:100], mtime=0) + gzip.compress(_lines().encode()[100:], mtime=0) + b"\0\0",
        json.dumps(EVENTS).encode(),
        json.dumps(EVENTS, indent=2).encode(),
        json.dumps(EVENTS, indent=2).replace("\n", "\r\n").encode() + b"\n\0\0",
        "".join(json.dumps(event, indent=1) + "\n" for event in EVENTS).encode(),
        "".join(json.dumps(event, indent=1) for event in EVENTS).encode(),
        (json.dumps(EVENTS[:2]) + json.dumps(EVENTS[2:])).encode(),
        "".join(map(json.dumps, EVENTS)).encode(),
        " ".join(map(json.dumps, EVENTS)).encode() + b" \n\0\0",
        gzip.compress("".join(map(json.dumps, EVENTS)).encode(), mtime=0),
        ("".join(map(json.dumps, EVENTS[:3])) + "\n" + "".join(map(json.dumps, EVENTS[3:])) + "\r\n").encode(),
        ("".join(map(json.dumps, EVENTS[:3])) + "\r" + "".join(map(json.dumps, EVENTS[3:])) + "\r").encode(),
        "".join(f"\x1e{json.dumps(event)}\n" for event in EVENTS).encode(),
        "".join(f"\x1e{json.dumps(event, indent=1)}\n" for event in EVENTS).encode(),
    ],
)
def test_every_form_of_input_is_recognized(data: bytes, size: int) -> None:
    assert _values(_frames(data, size=size)) == EVENTS


@pytest.mark.parametrize("path", [RECORDS, MAYBE_RECORDS])
@pytest.mark.parametrize("indent", [None, 2])
def test_list_inside_an_object(path: ItemsPath, indent: int | None) -> None:
    document = {"before": {"Records": [1]}, "Records": EVENTS, "after": ["x", 1.5, True]}

    frames = _frames(json.dumps(document, indent=indent), path)

    assert _values(frames) == EVENTS
    assert frames[2].item == 3


def test_nested_path_leads_to_the_list() -> None:
    document = {"data": {"events": EVENTS}, "events": [1]}

    assert _values(_frames(json.dumps(document), ItemsPath(("data", "events")))) == EVENTS


def test_one_object_with_a_list_on_each_line() -> None:
    frames = _frames("\n".join(json.dumps({"Records": [event, event]}) for event in EVENTS), RECORDS)

    assert _values(frames) == [event for event in EVENTS for _ in range(2)]
    assert [frame.place for frame in frames[:3]] == ["line 1, item 1", "line 1, item 2", "line 2, item 1"]


@pytest.mark.parametrize("path", [RECORDS, MAYBE_RECORDS])
def test_array_of_objects_with_a_list(path: ItemsPath) -> None:
    frames = _frames(json.dumps([{"Records": EVENTS[:2]}, EVENTS[2], {"x": 1, "Records": EVENTS[3:]}]), path)

    assert _values(frames) == EVENTS
    assert [frame.item for frame in frames] == [1, 2, 3, 4, 5]


def test_truncated_line_with_a_list_says_so() -> None:
    (frame,) = _frames('{"Records": [{"n": 1}, {"n"', RECORDS)

    assert frame.fault == "cannot be read as a document: the input ends in the middle of a value"


def test_object_without_the_list_is_an_item_or_a_fault() -> None:
    text = _lines() + json.dumps({"Records": EVENTS[:1]})

    assert _values(_frames(text, MAYBE_RECORDS)) == [*EVENTS, EVENTS[0]]
    assert [frame.fault for frame in _frames(text, RECORDS)] == ["has no list at --items Records"] * 5 + [""]


def test_pretty_object_without_the_list_is_an_item() -> None:
    text = json.dumps(EVENTS[0], indent=1) + json.dumps({"Records": EVENTS[1:]}, indent=1)

    assert _values(_frames(text, MAYBE_RECORDS)) == EVENTS


def test_places_are_those_of_an_editor() -> None:
    frames = _frames('\n{"a":1}\n\n  \nx\n{"a":2}')

    assert [(frame.line, frame.data) for frame in frames] == [(2, b'{"a":1}'), (5, b"x"), (6, b'{"a":2}')]


@pytest.mark.parametrize("first", ["[info] started", '{"cut":"in the', '{"cut":1,', "not json", "[2024-01-01] x"])
def test_damaged_first_line_is_one_bad_line(first: str) -> None:
    frames = _frames(f'{first}\n{{"a":1}}\n')

    assert [frame.data for frame in frames] == [first.encode(), b'{"a":1}']


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"BZh91AY&SY", "bzcat"),
        (b"\xfd7zXZ\0\0", "xzcat"),
        (b"PK\x03\x04", "unzip"),
        (b"<?xml version='1.0'?><secret/>", "is XML"),
        (b"ElfFile\0\0", "Windows event log"),
        (b"Obj\x01\x04", "Avro"),
        (gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0), "compressed twice: use `zcat"),
        ("{}".encode("utf-16-le"), "iconv"),
        ("{}".encode("utf-16-be"), "iconv"),
        (b"\x1f\x8b\x08damaged data of some length", "gzip data is damaged"),
        (gzip.compress(_lines().encode(), mtime=0)[:-9], "not complete"),
        (codecs.BOM_UTF16_LE + b"a", "not valid"),
        (b'[{"n":1} {"n":2}]', "line 1, byte 10 of the input: ',' was expected"),
        (b'[{"n":1},]', "a value was expected"),
        (b'[\n{"n":1},\n{"n":2}\n', "in the middle of a document"),
        (b'[\n{"n":1},\n{"n":2', "in the middle of a value"),
        (b'[{"n":1}]\nsecret, secret', "a value was expected"),
    ],
)
def test_input_that_cannot_be_read_is_refused_once(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        _frames(data)

    assert "secret" not in str(raised.value)


def test_list_that_is_there_twice_is_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        _frames('{\n"Records":[1],\n"Records":[2]}', RECORDS)


def test_values_before_the_damage_are_read() -> None:
    read = []
    with pytest.raises(InputError, match="after item 2"):  # noqa: PT012 - the loop raises after what it yields
        for frame in JsonInput(Pieces(b'[{"n":1},{"n":2},')):
            read.append(frame.data)  # noqa: PERF401 - kept also when it raises

    assert read == [b'{"n":1}', b'{"n":2}']


@pytest.mark.parametrize(
    ("data", "rest"),
    [
        (b'{"n":1}\n{"n":', b'{"n":'),
        (b'{"n":1}\n{"n":2}', b'{"n":2}'),
        (b'[{"n":1},{"n":', b'{"n":'),
        (b'\x1e{"n":1}\n\x1e{"n":', b'{"n":'),
    ],
)
def test_stopped_input_names_what_is_not_whole(data: bytes, rest: bytes) -> None:
    *whole, last = _frames(data, stopped=True)

    assert [frame.data for frame in whole] == [b'{"n":1}']
    assert (last.data, last.is_open) == (rest, True)


def test_live_events_are_not_held_back() -> None:
    def live(*pieces: bytes) -> Iterator[bytes]:
        for piece in pieces:
            given.append(piece)
            yield piece

    class Source:
        is_ended = False

        def __init__(self, *pieces: bytes) -> None:
            self._pieces = pieces

        def __iter__(self) -> Iterator[bytes]:
            return live(*self._pieces)

    for first, second in (
        (b"{}\n", b"{}\n"),
        (b'[{"n":1}', b',{"n":2}]'),
        (b'\x1e{"n":1}\n', b'\x1e{"n":2}\n'),
        (b'{\n"n":1}', b'\n{"n":2}'),
    ):
        given: list[bytes] = []
        frames = iter(JsonInput(Source(first, second)))
        next(frames)
        assert given == [first]


def test_line_that_is_too_long_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.ingest.framing.lines.MAX_BYTES", 10)

    frames = _frames(b'{"n":1}\n' + b"x" * 25 + b'\n{"n":2}\n', size=6)

    assert b"".join(frame.data for frame in frames[1:-1]) == b"x" * 25
    assert [frame.line for frame in frames] == [1, *[2] * (len(frames) - 2), 3]
    assert frames[1].fault
    assert [frame.is_part for frame in frames[-2:]] == [False, False]


def test_first_line_that_is_too_long_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("lines", "recognition"):
        monkeypatch.setattr(f"telemetry.ingest.framing.{module}.MAX_BYTES", 3 << 20)
    first = b'{"text":"' + b"x" * (4 << 20) + b'"}\n'

    frames = _frames(first + b'{"n":2}\n', size=1 << 18)

    assert b"".join(frame.data for frame in frames[:-1]) == first.rstrip()
    assert {bool(frame.fault) for frame in frames[:-1]} == {True}
    assert (frames[-1].data, frames[-1].line, frames[-1].fault) == (b'{"n":2}', 2, "")


def test_long_first_line_is_a_line() -> None:
    first = {"text": "x" * (3 << 20)}

    assert _values(_frames(json.dumps(first) + "\n" + _lines(), size=1 << 18)) == [first, *EVENTS]


@pytest.mark.parametrize("size", [3, 1 << 18])
def test_blank_lines_are_counted_in_bulk(size: int) -> None:
    blank = b"\n" * 5_000 + b"  \r\n" + b" "

    (first, second) = _frames(blank + b'{"n":1}\n' + blank + b'{"n":2}', size=size)

    assert (first.line, second.line) == (5_002, 5_002 + 5_002)
    assert (json.loads(first.data), json.loads(second.data)) == ({"n": 1}, {"n": 2})


def test_very_long_blank_beginning_is_passed_over() -> None:
    (frame,) = _frames(b"\n" * (8 << 20) + b'{"n":1}\n', size=1 << 18)

    assert frame.line == (8 << 20) + 1


def test_item_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.ingest.framing.documents.MAX_BYTES", 1_000)

    with pytest.raises(InputError, match="--items"):
        _frames('{\n"Records":[' + "1," * 1_000 + "1]}")


def test_few_compressed_bytes_are_decompressed_piece_by_piece() -> None:
    data = gzip.compress(bytes(50 << 20))

    pieces = [len(piece) for piece in DecompressedSource(Pieces(data, size=len(data)), "gzip")]

    assert sum(pieces) == 50 << 20
    assert max(pieces) <= 1 << 20


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python 3.14 decompresses zstd")
def test_zstd_is_refused_where_python_cannot_read_it() -> None:
    with pytest.raises(InputError, match="zstdcat"):
        _frames(b"\x28\xb5\x2f\xfd\x04\x00")


@pytest.mark.parametrize("megabytes", [1.5, 2.2, 5.0])
def test_long_text_at_the_end_is_read(megabytes: float) -> None:
    long = {"n": 1, "text": "x" * int(megabytes * (1 << 20))}

    assert _values(_frames(json.dumps([EVENTS[0], long], indent=1), size=1 << 18)) == [EVENTS[0], long]


def test_long_text_without_an_end_is_refused() -> None:
    with pytest.raises(InputError, match="in the middle of a value"):
        _frames('[{"text": "' + "x" * (3 << 20), size=1 << 18)
