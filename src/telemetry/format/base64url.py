"""Base64url without padding, in its one canonical form (RFC 4648 section 5; RFC 7515 section 2)."""

from __future__ import annotations

import binascii

import pybase64

from telemetry.exceptions import MalformedRecordError

_FROM_URL = bytes.maketrans(b"-_", b"+/")


def encode(data: bytes) -> bytes:
    """Return ``data`` as base64url without padding."""
    return pybase64.b64encode(data, b"-_").rstrip(b"=")


def decode(text: bytes) -> bytes:
    """Return the bytes that ``text`` stands for.

    Raises:
        MalformedRecordError: A character outside the alphabet, a wrong length, or unused bits that are not zero
            (two texts for the same bytes would let a byte change unnoticed).
    """
    try:
        data = pybase64.b64decode(text.translate(_FROM_URL) + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as exc:
        message = "base64url text is malformed"
        raise MalformedRecordError(message) from exc
    if encode(data) != text:
        message = "base64url text is not canonical"
        raise MalformedRecordError(message)
    return data
