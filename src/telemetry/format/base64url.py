"""Base64url without padding, in its one canonical form (RFC 4648 section 5; RFC 7515 section 2).

``binascii`` is used on purpose: faster libraries release the interpreter lock for each call, and with busy threads
beside it every release costs far more than the encoding.
"""

from __future__ import annotations

import binascii

from telemetry.exceptions import MalformedRecordError


def encode(data: bytes) -> bytes:
    """Return ``data`` as base64url without padding."""
    return binascii.b2a_base64(data, newline=False).replace(b"+", b"-").replace(b"/", b"_").rstrip(b"=")


def decode(text: bytes) -> bytes:
    """Return the bytes that ``text`` stands for.

    Raises:
        MalformedRecordError: A character outside the alphabet, a wrong length, or unused bits that are not zero
            (two texts for the same bytes would let a byte change unnoticed).
    """
    padded = text.replace(b"-", b"+").replace(b"_", b"/") + b"=" * (-len(text) % 4)
    try:
        data = binascii.a2b_base64(padded, strict_mode=True)
    except binascii.Error as exc:
        message = "base64url text is malformed"
        raise MalformedRecordError(message) from exc
    if encode(data) != text:
        message = "base64url text is not canonical"
        raise MalformedRecordError(message)
    return data
