"""Checks the data of an event's value by its form alone: a JWE is not decoded, let alone opened."""

from __future__ import annotations

import msgspec

from telemetry.archive.rows.event_head import malformed
from telemetry.format.value.head import start_of_data
from telemetry.format.value.jwe import IV_CHARACTERS, TAG_CHARACTERS, kid_in
from telemetry.format.value.message import DATA

_BASE64URL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_END = b'"}'
_DOTS = b".."
_LAST_OF_TAG = b"AQgw"
"""The last character of 16 bytes in base64url has two bits of them; the others are zero."""
_GROUP = 4

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def require_sealed_data(value: bytes, start: int) -> None:
    """Check initialization vector, ciphertext and tag of a JWE at the end of a value.

    Args:
        value: The value.
        start: Where the initialization vector begins.

    Raises:
        MalformedRecordError: They are not three texts in base64url of the right lengths, or the value does not end there.
    """
    first_dot, last_dot = start + IV_CHARACTERS, len(value) - len(_END) - TAG_CHARACTERS - 1
    # Only three texts are left if the two dots are where they must be and are the only other characters.
    if (
        value[-2:] != _END
        or value[start:-2].translate(None, _BASE64URL) != _DOTS
        or value[first_dot] != value[last_dot]
        or value[first_dot] != _DOTS[0]
        or last_dot <= first_dot
        or (last_dot - first_dot - 1) % _GROUP
        or value[-3] not in _LAST_OF_TAG
    ):
        raise malformed()


def kid_of_data(value: bytes, start: int) -> str:
    """Return the commitment to the data key in a JWE whose header is another than that of the records with its head.

    Args:
        value: The value.
        start: Where the comma and the name of the data begin.

    Raises:
        MalformedRecordError: The data is not a JWE in the form of the format.
    """
    header = start_of_data(value[start:], sealed=True) if start > 0 else b""
    after = start + len(header)
    if not header or value[after : after + 1] != b".":
        raise malformed()
    require_sealed_data(value, after + 1)
    return kid_in(header[len(DATA) + 1 : -1])


def require_clear_data(value: bytes, start: int) -> None:
    """Check that the data of an event in the clear is one JSON object, and the last member.

    Raises:
        MalformedRecordError: It is not.
    """
    try:
        _decode_members(value[start:-1])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise malformed() from exc
    # Spaces at its ends would be another text of the same event.
    if value[start : start + 1] != b"{" or value[-2:] != b"}}":
        raise malformed()
