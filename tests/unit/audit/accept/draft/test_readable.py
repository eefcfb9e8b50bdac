"""``unfit="repr"``: any value is written, within bounds, whatever its own code does."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.audit.accept.draft.readable import MAX_TEXT, cut_json, encode_readable


class Loud:
    def __repr__(self) -> str:
        raise RuntimeError


class Long:
    def __repr__(self) -> str:
        return "x" * 1_000_000


class Odd:
    def __repr__(self) -> str:
        return "a\ud800b"


class BadMapping(dict[str, Any]):
    def items(self) -> Any:
        raise OSError


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def cyclic() -> list[Any]:
    value: list[Any] = [1]
    value.append({"again": value})
    return value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"a": 1, "b": [None, True, 1.5]}, {"a": 1, "b": [None, True, 1.5]}),
        (float("nan"), "nan"),
        (Decimal("-Infinity"), "-Infinity"),
        ({1: "a", "1": "b"}, {"1": "a", "1 (2)": "b"}),
        ("a\ud800", "a\\ud800"),
        ({"\udfff": 1}, {"\\udfff": 1}),
        (Loud(), "<Loud>"),
        (Odd(), "a\\ud800b"),
        (cyclic(), [1, {"again": "<contains itself>"}]),
        (2**70, 2**70),
        (b"\x00", "AA=="),
        ({(1, 2): 3}, {"(1, 2)": 3}),
    ],
)
def test_unfit_parts_become_texts(value: Any, written: Any) -> None:
    assert json.loads(encode_readable(value)) == written


def test_own_code_of_a_container_may_fail() -> None:
    assert isinstance(json.loads(encode_readable({"a": BadMapping(b=1)}))["a"], str)


def test_long_text_of_an_object_is_cut() -> None:
    assert len(json.loads(encode_readable(Long()))) == MAX_TEXT


def test_depth_and_number_of_parts_are_bounded() -> None:
    assert "<nested too deeply>" in encode_readable(deep(sys.getrecursionlimit() * 3)).decode()
    assert len(json.loads(encode_readable([0] * 150_000))) == 150_000
    assert json.loads(encode_readable([[0] * 150_000]))[0][-1] == "<more>"


@given(st.recursive(st.none() | st.floats() | st.text() | st.binary(), lambda inner: st.dictionaries(st.text(), inner)))
def test_any_value_is_written(value: Any) -> None:
    json.loads(encode_readable(value))


def test_value_that_is_too_large_keeps_its_beginning() -> None:
    cut = cut_json(b'"' + b"\xc3\xbc" * 5_000 + b'"')

    assert cut["bytes"] == 10_002
    assert cut["cut"] == '"' + "ü" * (MAX_TEXT - 1)
    assert len(cut["sha256"]) == 43
