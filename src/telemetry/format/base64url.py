"""Base64url without padding, in its one canonical form (RFC 4648 section 5; RFC 7515 section 2).

Two libraries on purpose. ``pybase64`` is many times faster, but releases the interpreter lock in every call, and with
busy threads beside it each release costs far more than a short encoding. So it is used for many texts in one call, and
for reading; ``binascii`` encodes a single text.
"""

from __future__ import annotations

import binascii

import pybase64

from telemetry.exceptions import MalformedRecordError

_URL = b"-_"


def encode(data: bytes) -> bytes:
    """Return ``data`` as base64url without padding."""
    return binascii.b2a_base64(data, newline=False).replace(b"+", b"-").replace(b"/", b"_").rstrip(b"=")


def encode_filled(data: bytes) -> bytes:
    """Return a long text, a multiple of 3 bytes, as base64url."""
    return pybase64.b64encode(data, _URL)


def decode(text: bytes) -> bytes:
    """Return the bytes that ``text`` stands for.

    Raises:
        MalformedRecordError: A character outside the alphabet, a wrong length, or unused bits that are not zero
            (two texts for the same bytes would let a byte change unnoticed).
    """
    if b"+" in text or b"/" in text or b"=" in text:
        message = "text is base64, not base64url without padding"
        raise MalformedRecordError(message)
    padded = text + b"=" * (-len(text) % 4)
    try:
        data = pybase64.b64decode(padded, _URL, validate=True)
    except (binascii.Error, ValueError) as exc:
        message = "base64url text is malformed"
        raise MalformedRecordError(message) from exc
    if pybase64.b64encode(data, _URL) != padded:
        message = "base64url text is not canonical"
        raise MalformedRecordError(message)
    return data
