"""Encodes and decodes base64 and base64url, and accepts only the one canonical text of any bytes.

Canonical means: no character outside the alphabet, the right padding, and unused bits that are zero (RFC 4648 section
3.5). Two texts that decode to the same bytes would let a byte of a record change unnoticed.

There are two libraries on purpose. ``pybase64`` is many times faster, but releases the interpreter lock in every call,
and with busy threads beside it each release costs far more than a short encoding. So it encodes many texts in one call,
and decodes; ``binascii`` encodes a single text.
"""

from __future__ import annotations

import binascii

import pybase64

from telemetry.exceptions import MalformedRecordError

_URL = b"-_"


def encode(data: bytes) -> str:
    """Return ``data`` as base64 with padding (RFC 4648 section 4)."""
    return binascii.b2a_base64(data, newline=False).decode()


def decode(text: str) -> bytes | None:
    """Return the bytes of a base64 text; None if it is not the canonical text of any bytes."""
    try:
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    # Strict mode ignores the unused bits of the last character.
    return data if encode(data) == text else None


def encode_url(data: bytes) -> bytes:
    """Return ``data`` as base64url without padding (RFC 4648 section 5; RFC 7515 section 2)."""
    return binascii.b2a_base64(data, newline=False).replace(b"+", b"-").replace(b"/", b"_").rstrip(b"=")


def encode_url_filled(data: bytes) -> bytes:
    """Return a long text as base64url; its length is a multiple of 3 bytes, so that it needs no padding."""
    return pybase64.b64encode(data, _URL)


def decode_url(text: bytes) -> bytes:
    """Return the bytes of a base64url text without padding.

    Raises:
        MalformedRecordError: The text is not the canonical text of any bytes.
    """
    # The decoder also accepts the standard alphabet and padding.
    if b"+" in text or b"/" in text or b"=" in text:
        message = "text is base64, not base64url without padding"
        raise MalformedRecordError(message)
    padded = text + b"=" * (-len(text) % 4)
    try:
        data = pybase64.b64decode(padded, _URL, validate=True)
    except (binascii.Error, ValueError) as exc:
        message = "base64url text is malformed"
        raise MalformedRecordError(message) from exc
    # It also ignores the unused bits of the last character.
    if pybase64.b64encode(data, _URL) != padded:
        message = "base64url text is not canonical"
        raise MalformedRecordError(message)
    return data
