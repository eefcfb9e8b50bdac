from __future__ import annotations

import json

import pytest

from telemetry.ingest.framing.documents import ItemsPath
from telemetry.ingest.framing.frame import Frame
from telemetry.ingest.input import JsonInput
from tests.unit.ingest.test_input import Pieces

LINE = b'{"n":1}{"n": 2} {"n":3,"text":"}{"}'


def _frames(data: bytes, path: ItemsPath | None = None, *, size: int = 5, stopped: bool = False) -> list[Frame]:
    return list(JsonInput(Pieces(data, size=size, stopped=stopped), path))


def test_joined_objects_are_items_of_their_line() -> None:
    frames = _frames(b'{"n":0}\n' + LINE + b'\n{"n":4}\n')

    assert [frame.data for frame in frames[1:4]] == [b'{"n":1}', b'{"n": 2}', b'{"n":3,"text":"}{"}']
    assert [frame.place for frame in frames] == [
        *("line 1", "line 2, item 1", "line 2, item 2", "line 2, item 3"),
        "line 3",
    ]
    assert not [frame for frame in frames if frame.fault]


def test_text_that_looks_joined_is_one_value() -> None:
    line = b'{"text":"} {","more":["}{"]}'

    (frame,) = _frames(line + b"\n")

    assert (frame.data, frame.item) == (line, None)


@pytest.mark.parametrize(
    "damaged",
    [
        b'{"n":2,"user":"a{"text":"}{\\"n\\":9}"}{"n":3}',
        b'{"n":2,"x":{"n":3}{"n":4}',
        b'{"n":2 3}{"n":4}',
        b'}{"n":4}',
        b'"n":2}{"n":4}',
        b',{"n":4}{"n":5}',
    ],
)
def test_damage_costs_the_rest_of_its_line(damaged: bytes) -> None:
    frames = _frames(b'{"n":1}{"n":1}' + damaged + b'\n{"n":6}\n')

    assert [frame.data for frame in frames] == [b'{"n":1}', b'{"n":1}', damaged, b'{"n":6}']
    assert [bool(frame.fault) for frame in frames] == [False, False, True, False]
    assert frames[2].place == "line 1, item 3"
    assert "the rest of this line was not logged" in frames[2].fault


@pytest.mark.parametrize(
    "odd", [b'{"n":NaN}', b'{"t":"\x01}{"}', b'{"t":"\\ud800"}', b'{"n":1e999}', b'{"n":1,"n":2}', b'{"t":"\xff"}']
)
def test_value_that_is_refused_costs_no_other(odd: bytes) -> None:
    frames = _frames(b'{"n":1}' + odd + b'{"n":3}')

    assert [frame.data for frame in frames] == [b'{"n":1}', odd, b'{"n":3}']


def test_truncated_line_costs_its_last_object() -> None:
    frames = _frames(b'{"n":1}{"n":2}{"n":')

    assert [(frame.data, frame.fault) for frame in frames] == [(b'{"n":1}', ""), (b'{"n":2}', ""), (b'{"n":', "")]


def test_stopped_line_names_what_is_not_whole() -> None:
    frames = _frames(b'{"n":1}{"n":2}{"n":', stopped=True)

    assert [(frame.data, frame.is_open) for frame in frames] == [
        (b'{"n":1}', False),
        (b'{"n":2}', False),
        (b'{"n":', True),
    ]


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_joined_line_may_be_longer_than_any_line(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    for module in ("lines", "recognition"):
        monkeypatch.setattr(f"telemetry.ingest.framing.{module}.MAX_BYTES", 40)
    events = [{"n": n, "text": "x" * (n % 20)} for n in range(50)]

    frames = _frames("".join(map(json.dumps, events)).encode() + b'\n{"n":1}\n', size=size)

    assert [json.loads(frame.data) for frame in frames[:-1]] == events
    assert [frame.place for frame in frames[:-1]] == [f"line 1, item {n}" for n in range(1, 51)]
    assert frames[-1].place == "line 2"


def test_too_long_object_costs_the_rest_of_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("lines", "recognition"):
        monkeypatch.setattr(f"telemetry.ingest.framing.{module}.MAX_BYTES", 40)
    rest = b'{"text":"' + b"x" * 90 + b'"}{"n":3}'

    frames = _frames(b'{"n":1}{"n":2}' + rest + b'\n{"n":4}\n')

    assert [frame.data for frame in (*frames[:2], frames[-1])] == [b'{"n":1}', b'{"n":2}', b'{"n":4}']
    assert b"".join(frame.data for frame in frames[2:-1]) == rest
    assert {(frame.place, bool(frame.fault)) for frame in frames[2:-1]} == {("line 1, item 3", True)}


def test_lists_of_joined_objects_are_numbered_through() -> None:
    line = b'{"logEvents":[{"n":1},{"n":2}]}{"logEvents":[]}{"logEvents":[{"n":3}]}'

    frames = _frames(line, ItemsPath(("logEvents",)))

    assert [(frame.data, frame.place) for frame in frames] == [
        (b'{"n":1}', "line 1, item 1"),
        (b'{"n":2}', "line 1, item 2"),
        (b'{"n":3}', "line 1, item 3"),
    ]
