from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.gateway.request import json_text as json_text_module
from telemetry.gateway.request.json_text import has_more_elements, is_shallow, json_text, split_array, split_lines
from telemetry.gateway.request.refused_request import RefusedRequestError


async def _refused(text: bytes, *, max_events: int = 10) -> RefusedRequestError:
    with pytest.raises(RefusedRequestError) as caught:
        await split_array(text, max_events=max_events)
    return caught.value


def test_byte_order_mark_and_space_go() -> None:
    assert json_text(b"\xef\xbb\xbf \r\n{}\n") == b"{}"


@pytest.mark.parametrize("body", [b"", b" \n", b"\xef\xbb\xbf"])
def test_empty_body_is_400(body: bytes) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        json_text(body)
    assert caught.value.status == 400


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_other_encodings_are_415(encoding: str) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        json_text('{"a": 1}'.encode(encoding))
    assert caught.value.status == 415


@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-16", ""])
def test_other_charsets_are_415(charset: str) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        json_text(b"{}", charset=charset)
    assert caught.value.status == 415


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "utf8", "us-ascii"])
def test_names_of_utf8(charset: str) -> None:
    assert json_text(b"{}", charset=charset) == b"{}"


async def test_elements_of_an_array() -> None:
    elements = await split_array(b'[{"a": [1, 2]}, {} ,"x", 1]', max_events=4)
    assert elements == [b'{"a": [1, 2]}', b"{}", b'"x"', b"1"]


@pytest.mark.parametrize(
    "text", [b"{}", b"[1", b"[1,]", b"[1] 2", b"[1 2]", b"[\xff]", b"[nul]", b'["\\q"]', b"[", b"]"]
)
async def test_no_array_is_400(text: bytes) -> None:
    assert (await _refused(text)).status == 400


async def test_place_of_the_fault_is_named_and_not_the_content() -> None:
    refused = await _refused(b'[{"secret": sesame}]')
    assert refused.detail.startswith("the body is no JSON array at byte 13;")


async def test_too_many_elements_are_413() -> None:
    assert (await _refused(b"[" + b",".join([b"{}"] * 11) + b"]")).status == 413
    assert len(await split_array(b"[" + b",".join([b"{}"] * 10) + b"]", max_events=10)) == 10


async def test_millions_of_elements_are_not_created() -> None:
    # Two million objects for the elements would be some hundred megabytes.
    assert (await _refused(b"[" + b",".join([b"1"] * 2_000_000) + b"]")).status == 413


async def test_few_elements_with_many_commas() -> None:
    element = b"[" + b",".join([b"1"] * 1_000) + b"]"
    assert await split_array(b"[%b,%b]" % (element, element), max_events=10) == [element, element]
    assert (await _refused(b"[%b,%b" % (element, element))).status == 400


async def test_empty_array_is_400() -> None:
    assert (await _refused(b"[]")).status == 400


async def test_deep_nesting_is_400_before_it_is_decoded() -> None:
    assert (await _refused(b"[" * 1_000_000 + b"]" * 1_000_000)).status == 400
    assert await split_array(b"[" * 8 + b"]" * 8, max_events=10) == [b"[" * 7 + b"]" * 7]


@given(
    st.recursive(
        st.none() | st.text(alphabet='[]{}"\\x', max_size=6) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='[{"\\', max_size=3), inner, max_size=3)
        ),
        max_leaves=30,
    ),
    st.integers(1, 6),
)
def test_depth_is_that_of_the_value(value: Any, bound: int) -> None:
    # Brackets of strings do not count, whatever is escaped; the padding makes the cheap answer impossible.
    texts = msgspec.json.encode([value, "[" * 10]), json.dumps([value, "{\\" * 10]).encode()
    for piece in (2, 3, 1 << 16):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(json_text_module, "_PIECE", piece)
            for text in texts:
                assert is_shallow(text, bound) == (_depth([value]) <= bound)
                assert not has_more_elements(text, 2)
                assert has_more_elements(text, 1)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def test_lines() -> None:
    assert split_lines(b'{"a": 1}\r\n\n  \n {"b": 2} \n{"c"', max_events=3) == [b'{"a": 1}', b'{"b": 2}', b'{"c"']


def test_too_many_lines_are_413() -> None:
    with pytest.raises(RefusedRequestError) as caught:
        split_lines(b"1\n" * 11, max_events=10)
    assert caught.value.status == 413
