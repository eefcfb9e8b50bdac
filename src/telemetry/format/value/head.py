"""Reads the first attributes of a value, up to the hash of the key, without parsing the rest.

All records that a producer seals with one data key begin with the same bytes, the head: every attribute before
``sequence``. So a reader of many records parses each head once, and of each record only the number and the key's hash.
The functions accept the canonical form alone (docs/format.md), except :func:`parse_loosely`.
"""

from __future__ import annotations

import msgspec

from telemetry.exceptions import MalformedRecordError
from telemetry.format import canonical_base64
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.message import DATA, KEY_HASH, KEY_HASH_CHARACTERS, MAX_SEQUENCE, SEQUENCE
from telemetry.format.value.render import render_head

MAX_HEAD_BYTES = 32 << 10

_MAX_DIGITS = len(str(MAX_SEQUENCE))
_NUMBER_AND_NAME = _MAX_DIGITS + len(KEY_HASH)
_ZERO = ord("0")
_SEALED_DATA = DATA + b'"'
_CLEAR_DATA = DATA + b"{"
_MAX_JWE_HEADER = 512


class LooseRecord(msgspec.Struct):
    """The place in a stream that a record in any other form claims to have.

    Attributes:
        producer: UUIDv7 of the producer.
        sequence: Number in the producer's stream.
    """

    producer: str
    sequence: int


_decoder = msgspec.json.Decoder(dict[str, str])
_loose_decoder = msgspec.json.Decoder(LooseRecord)


def parse_head(value: bytes, end: int) -> dict[str, str]:
    """Return the attributes of the head.

    Args:
        value: The record's value.
        end: Where the comma and the name of the sequence begin, as ``value.find(SEQUENCE)`` returns it.

    Raises:
        MalformedRecordError: The attributes are not in the one form that this format prescribes.
    """
    if not 0 < end <= MAX_HEAD_BYTES:
        raise _malformed()
    try:
        attributes = _decoder.decode(value[:end] + b"}")
        key_uri, wrapped = attributes.get("keyid"), attributes.get("wrappedkey")
        wrapped_key = None if wrapped is None else canonical_base64.decode(wrapped)
        rendered = render_head(
            attributes["source"],
            attributes["producer"],
            key_uri=key_uri,
            wrapped_key=wrapped_key,
            recipients=attributes.get("recipients"),
        )
    except (msgspec.DecodeError, UnicodeError, KeyError) as exc:
        raise _malformed() from exc
    # Rendering what was parsed refuses every other order, spelling, space or further attribute at once.
    if rendered != value[: end + len(SEQUENCE)] or not is_uuid(attributes["producer"]):
        raise _malformed()
    return attributes


def parse_sequence(value: bytes, start: int) -> int:
    """Return the sequence that begins at ``start``; -1 if there is none in canonical form."""
    # Bounded before int(): CPython takes quadratic time for very long numbers, and refuses those of 4,300 digits.
    end = value.find(b",", start, start + _MAX_DIGITS + 1)
    digits = value[start:end] if end > 0 else b""
    if not digits.isdigit() or (digits[:1] == b"0" and len(digits) > 1):
        return -1
    sequence = int(digits)
    return sequence if sequence <= MAX_SEQUENCE else -1


def parse_number_and_key(value: bytes, start: int) -> tuple[int, bytes]:
    """Return the sequence that begins at ``start``, and the hash of the Kafka key that follows.

    Returns:
        The sequence, -1 if there is none in canonical form; and the hash with its closing quote, empty if there is none.
    """
    name_start = value.find(KEY_HASH, start, start + _NUMBER_AND_NAME)
    if name_start < 0:
        return parse_sequence(value, start), b""
    digits = value[start:name_start]
    if not digits.isdigit() or (digits[0] == _ZERO and name_start > start + 1):
        return -1, b""
    sequence = int(digits)
    hash_start = name_start + len(KEY_HASH)
    return sequence if sequence <= MAX_SEQUENCE else -1, value[hash_start : hash_start + KEY_HASH_CHARACTERS + 1]


def parse_loosely(value: bytes) -> LooseRecord | None:
    """Return the place in a stream that any JSON object claims to have; None if it claims none."""
    try:
        loose = _loose_decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return loose if is_uuid(loose.producer) and 0 <= loose.sequence <= MAX_SEQUENCE else None


def start_of_data(value: bytes, *, sealed: bool) -> bytes:
    """Return the beginning of the data, up to the end of the JWE header; empty if the value has no such data.

    The JWE header commits to the data key, so all records with one head have the same start.
    """
    if not sealed:
        return _CLEAR_DATA if _CLEAR_DATA in value else b""
    start = value.find(_SEALED_DATA)
    end = value.find(b".", start)
    return value[start : end + 1] if 0 <= start < end <= start + _MAX_JWE_HEADER else b""


def _malformed() -> MalformedRecordError:
    return MalformedRecordError("the record is not in the form this format prescribes")
