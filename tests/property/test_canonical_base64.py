"""Base64 and base64url: every text but the canonical one is refused."""

from __future__ import annotations

import base64
import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.exceptions import MalformedRecordError
from telemetry.format import canonical_base64

ALPHABETS = st.binary(max_size=40) | st.text("ABCDabcd0123-_+/=", max_size=40).map(str.encode)


def _url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@given(st.binary(max_size=100))
def test_both_encoders_give_standard_base64url(data: bytes) -> None:
    assert canonical_base64.encode_url(data) == _url(data)
    assert canonical_base64.encode_url_filled(data * 3) == _url(data * 3)


@given(st.binary(max_size=100))
def test_round_trip(data: bytes) -> None:
    assert canonical_base64.decode_url(canonical_base64.encode_url(data)) == data
    assert canonical_base64.decode(canonical_base64.encode(data)) == data


@given(ALPHABETS)
def test_only_canonical_base64url_is_accepted(text: bytes) -> None:
    try:
        data = canonical_base64.decode_url(text)
    except MalformedRecordError:
        return
    assert _url(data) == text


@given(ALPHABETS.map(lambda text: text.decode("latin-1")) | st.text(max_size=8))
def test_only_canonical_base64_is_accepted(text: str) -> None:
    data = canonical_base64.decode(text)

    assert data is None or base64.b64encode(data).decode() == text


@pytest.mark.parametrize(
    "text", [b"AA==", b"AA=", b"A", b"AB", b"A+AA", b"A/AA", b" AAA", b"AAA\n", b"AA\x00A", b"\xffAAA"]
)
def test_other_base64url_texts_are_refused(text: bytes) -> None:
    with pytest.raises(MalformedRecordError):
        canonical_base64.decode_url(text)


@pytest.mark.parametrize("text", ["AA", "AB==", "AAB=", "A===", "A-AA", "AA=A", " AAAA", "AAAA\n", "\u0661AAA"])
def test_other_base64_texts_are_refused(text: str) -> None:
    assert canonical_base64.decode(text) is None


def test_unused_bits_are_what_strict_decoding_misses() -> None:
    assert binascii.a2b_base64(b"AB==", strict_mode=True) == b"\x00"
    assert canonical_base64.decode("AB==") is None
