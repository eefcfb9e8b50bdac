"""Commits to the sealed bytes of an event outside of the seal, so that single events can be disclosed (docs/adr/0037).

The clear attribute ``commitment`` is a hash of the plaintext. A salt in the plaintext, which is as random as a key, hides the
content from everyone who has the hash alone. Anyone who is shown the plaintext compares it with the hash, without a key.
"""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec

from telemetry.exceptions import MalformedRecordError
from telemetry.format import canonical_base64
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.features import DISCLOSABLE
from telemetry.format.value.render import with_commitment

SALT_BYTES = 32
"""As many as the hash has; RFC 9901 section 9.3 asks for at least 16."""

_PREFIX = b"telemetry event commitment v1\x00"
_SALT = b',"salt":"%b"'


class _Salted(msgspec.Struct):
    """The member of a disclosable event that no reader keeps: with it, a guess at the content could be checked."""

    salt: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]\Z")]


_salt_decoder = msgspec.json.Decoder(_Salted)


def salt_member(salt: bytes) -> bytes:
    """Return a salt as a member of the sealed event, after its comma.

    Args:
        salt: 32 bytes from a cryptographic source, which no other event has.
    """
    return _SALT % canonical_base64.encode_url(salt)


def commitment_of(plaintext: bytes) -> str:
    """Return what commits to a plaintext: base64url(SHA-256(``telemetry event commitment v1`` || 0x00 || plaintext)).

    The salt is hashed as a part of the plaintext, as SD-JWT hashes a disclosure (RFC 9901 section 4.2.3).
    """
    return canonical_base64.encode_url(hashlib.sha256(_PREFIX + plaintext).digest()).decode()


def committed(tail: bytes, plaintext: bytes) -> bytes:
    """Return the clear tail of a value with the commitment as its last attribute.

    Args:
        tail: From the id of the event up to the name of the data, or any end of that.
        plaintext: What is sealed.
    """
    return with_commitment(tail, commitment_of(plaintext))


def expected_commitment(event: AuditEvent, plaintext: bytes) -> str | None:
    """Return the commitment that the record of an event must have; None if the event is not disclosable.

    Args:
        event: The event.
        plaintext: The bytes that it was decoded from.

    Raises:
        MalformedRecordError: The event says that it is disclosable, and has no salt in the one form of this format.
    """
    if not event.features or DISCLOSABLE not in event.features:
        return None
    try:
        _salt_decoder.decode(plaintext)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        message = "the event is disclosable and has no salt of 256 bits"
        raise MalformedRecordError(message) from exc
    return commitment_of(plaintext)
