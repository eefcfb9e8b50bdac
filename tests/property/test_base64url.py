from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.exceptions import MalformedRecordError
from telemetry.format import base64url


def _standard(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@given(st.binary(max_size=100))
def test_both_ways_of_encoding_are_the_standard_one(data: bytes) -> None:
    assert base64url.encode(data) == _standard(data)
    assert base64url.encode_filled(data * 3) == _standard(data * 3)


@given(st.binary(max_size=100))
def test_round_trip(data: bytes) -> None:
    assert base64url.decode(base64url.encode(data)) == data


@given(st.binary(max_size=40) | st.text("ABCDabcd0123-_+/=", max_size=40).map(str.encode))
def test_only_the_canonical_text_is_taken(text: bytes) -> None:
    try:
        data = base64url.decode(text)
    except MalformedRecordError:
        return
    assert _standard(data) == text


@pytest.mark.parametrize(
    "text", [b"AA==", b"AA=", b"A", b"AB", b"A+AA", b"A/AA", b" AAA", b"AAA\n", b"AA\x00A", b"\xffAAA"]
)
def test_other_forms_of_the_same_bytes_are_refused(text: bytes) -> None:
    with pytest.raises(MalformedRecordError):
        base64url.decode(text)
