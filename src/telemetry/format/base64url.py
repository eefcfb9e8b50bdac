"""Base64url without padding, in its one canonical form (RFC 4648 section 5; RFC 7515 section 2)."""

from __future__ import annotations

import binascii

from telemetry.exceptions import MalformedRecordError

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def encode(data: bytes) -> bytes:
    """Return ``data`` as base64url without padding."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=")


def decode(text: bytes) -> bytes:
    """Return the bytes that ``text`` stands for.

    Raises:
        MalformedRecordError: A character outside the alphabet, a wrong length, or unused bits that are not zero
            (two texts for the same bytes would let a byte change unnoticed).
    """
    tail = len(text) % 4
    if tail == 1 or text.translate(None, _ALPHABET):
        message = "base64url text is malformed"
        raise MalformedRecordError(message)
    data = binascii.a2b_base64(text.translate(_FROM_URL) + b"=" * (-tail % 4))
    if tail and encode(data[-(tail - 1) :]) != text[-tail:]:
        message = "base64url text is not canonical"
        raise MalformedRecordError(message)
    return data
