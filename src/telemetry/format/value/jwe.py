"""Seals bytes as a JWE compact serialization with direct encryption and A256GCM (RFC 7516, RFC 7518 section 5.3)."""

from __future__ import annotations

import hmac
import re
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.exceptions import MalformedRecordError, TamperedError
from telemetry.format import canonical_base64

IV_BYTES = 12
IV_CHARACTERS = 16
TAG_BYTES = 16
TAG_CHARACTERS = 22
TEXT_MULTIPLE = 3
"""The length of a sealed text is a multiple of this, so that its base64 ends with a whole group of four characters."""
FILL = tuple(b" " * (-size % TEXT_MULTIPLE) for size in range(TEXT_MULTIPLE))
"""Spaces that follow a text, by the remainder of its length; they mean nothing in JSON."""
# 32 bytes in base64url; the last character has four bits of them, and its other two are zero (RFC 4648 section 3.5).
_KID = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
_COMMITMENT = b"telemetry data-key commitment v1"
_HEADER_CHARACTERS = 1_024


class Jwe(NamedTuple):
    """The parts of a compact serialization.

    Attributes:
        protected: The protected header as it is in the text; the associated data (RFC 7516 section 5.1 step 14).
        kid: Commitment to the data key that sealed it.
        iv: Initialization vector, 96 bits (RFC 7518 section 5.3).
        ciphertext: Ciphertext followed by the 128-bit tag.
    """

    protected: bytes
    kid: str
    iv: bytes
    ciphertext: bytes


def key_id(data_key: bytes, *, key_uri: str, wrapped: bytes) -> str:
    """Return the ``kid``: a commitment to a data key, to the KEK's URI and to the wrapped form.

    AES-GCM alone commits to no key. And a key service may unwrap under another spelling of its URI, or other bytes: it
    accepts any version or replica of a key.

    Args:
        data_key: 32 bytes.
        key_uri: ``keyid`` of the record; it has no zero byte, as no URI has one.
        wrapped: The wrapped data key.
    """
    text = b"%b\x00%b\x00%b" % (_COMMITMENT, key_uri.encode(), wrapped)
    return canonical_base64.encode_url(hmac.digest(data_key, text, "sha256")).decode()


def is_kid(text: str) -> bool:
    """Return whether a text is the commitment to a data key, in its canonical form."""
    return _KID.fullmatch(text) is not None


def protected_header(kid: str) -> bytes:
    """Return the base64url protected header for a data key; it is constant for the key's life."""
    return canonical_base64.encode_url(b'{"alg":"dir","enc":"A256GCM","kid":"%b"}' % kid.encode())


def filled(text: bytes) -> bytes:
    """Return a JSON text with the spaces that follow it where it is sealed."""
    return text + FILL[len(text) % TEXT_MULTIPLE]


def seal(cipher: AESGCM, *, protected: bytes, iv: bytes, plaintext: bytes) -> bytes:
    """Return the compact serialization of a JSON text.

    Up to two spaces are added to the text, which mean nothing in JSON.

    Args:
        cipher: AES-GCM with the data key.
        protected: From :func:`protected_header`.
        iv: 12 bytes that were never used with this key before.
        plaintext: The JSON text.
    """
    sealed = cipher.encrypt(iv, filled(plaintext), protected)
    parts = (canonical_base64.encode_url(part) for part in (iv, sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]))
    return b".".join((protected, b"", *parts))


def parse(compact: bytes) -> Jwe:
    """Parse a compact serialization.

    Raises:
        MalformedRecordError: The text is not in the form that :func:`seal` gives it, down to the bytes of its header.
    """
    parts = compact.split(b".", 5)
    if len(parts) != 5 or parts[1] or len(parts[0]) > _HEADER_CHARACTERS:  # noqa: PLR2004 - RFC 7516 7.1
        message = "data is not a JWE compact serialization with direct encryption"
        raise MalformedRecordError(message)
    protected, _, iv, ciphertext, tag = parts
    raw_iv, raw_tag = canonical_base64.decode_url(iv), canonical_base64.decode_url(tag)
    if len(raw_iv) != IV_BYTES or len(raw_tag) != TAG_BYTES:
        message = "the JWE's initialization vector or tag has the wrong length"
        raise MalformedRecordError(message)
    return Jwe(protected, kid_in_header(protected), raw_iv, canonical_base64.decode_url(ciphertext) + raw_tag)


def kid_in(compact: bytes) -> str:
    """Return the ``kid`` of a compact serialization of which nothing else is looked at.

    Raises:
        MalformedRecordError: The header is not in the form that :func:`protected_header` gives it.
    """
    return kid_in_header(compact[:_HEADER_CHARACTERS].partition(b".")[0])


def open_(cipher: AESGCM, jwe: Jwe) -> bytes:
    """Return the plaintext.

    Raises:
        TamperedError: The tag does not match header, initialization vector and ciphertext under this key.
    """
    try:
        return cipher.decrypt(jwe.iv, jwe.ciphertext, jwe.protected)
    except InvalidTag as exc:
        message = "the sealed data was altered, or sealed with another key (the GCM tag does not match)"
        raise TamperedError(message) from exc


def kid_in_header(protected: bytes) -> str:
    """Return the commitment to the data key that a protected header names.

    Raises:
        MalformedRecordError: The header is not in the one form of this format.
    """
    try:
        header = msgspec.json.decode(canonical_base64.decode_url(protected))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        message = "the JWE header is not JSON"
        raise MalformedRecordError(message) from exc
    # The header is rendered again from its one variable part: no other member, order or spelling gets through.
    kid = header.get("kid") if isinstance(header, dict) else None
    if not isinstance(kid, str) or not is_kid(kid) or protected_header(kid) != protected:
        message = 'the JWE header is not {"alg":"dir","enc":"A256GCM","kid":...} with a data-key commitment'
        raise MalformedRecordError(message)
    return kid
