"""The head of a record: what is the same in all records that a producer sealed with one data key."""

from __future__ import annotations

import binascii
import re
from typing import NamedTuple

import msgspec

from telemetry.exceptions import MalformedRecordError
from telemetry.format.value.message import KEY_HASH_CHARACTERS, MAX_SEQUENCE, SEALED, render_head
from telemetry.reader.entry import Place

SEQUENCE = b',"sequence":'
KEY_HASH = b',"keyhash":"'
MAX_HEAD_BYTES = 32 << 10
MAX_SIGHTINGS = 64
"""Records of which it is remembered that they do not fit their head."""

_MAX_DIGITS = len(str(MAX_SEQUENCE))
_NUMBER_AND_NAME = _MAX_DIGITS + len(KEY_HASH)
_ZERO = ord("0")
_SEALED_DATA = b',"data":"'
_CLEAR_DATA = b',"data":{'
_PRODUCER = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


class Sighting(NamedTuple):
    """One record that was seen somewhere.

    Attributes:
        sequence: Of the record.
        place: Where it stands.
    """

    sequence: int
    place: Place


class RecordHead:
    """One head, and which records have it.

    Attributes:
        producer: The stream whose records these are.
        attributes: The CloudEvents attributes in it.
        protected: ``,"data":"`` and the JWE header that goes with it: the header commits to the data key.
        count: Records that fit.
        first: The first of them.
        strangers: Records with this head and another JWE header.
    """

    __slots__ = (
        "attributes",
        "count",
        "first",
        "producer",
        "protected",
        "strangers",
    )

    def __init__(self, attributes: dict[str, str], value: bytes) -> None:
        self.producer = attributes["producer"]
        self.attributes = attributes
        self.protected = _protected(value, sealed=attributes["datacontenttype"] == SEALED)
        self.count = 0
        self.first: list[Sighting] = []
        self.strangers: list[Sighting] = []

    @property
    def is_sealed(self) -> bool:
        """Whether a data key sealed the records."""
        return self.protected.startswith(_SEALED_DATA)

    @property
    def is_outnumbered(self) -> bool:
        """Whether more records have another JWE header than the one seen first."""
        return len(self.strangers) > self.count

    def oddities(self) -> list[Sighting]:
        """Return the records that do not fit the others of this head: the smaller group is the odd one."""
        return self.first if self.is_outnumbered else self.strangers


def parse_head(value: bytes, end: int) -> dict[str, str]:
    """Return the attributes in front of the sequence.

    Args:
        value: The record's value.
        end: Where the sequence's name begins.

    Raises:
        MalformedRecordError: They are not in the one form that this format prescribes.
    """
    if not 0 < end <= MAX_HEAD_BYTES:
        raise _malformed()
    try:
        attributes = _decoder.decode(value[:end] + b"}")
        key_uri, wrapped = attributes.get("keyid"), attributes.get("wrappedkey")
        wrapped_key = None if wrapped is None else binascii.a2b_base64(wrapped.encode(), strict_mode=True)
        rendered = render_head(attributes["source"], attributes["producer"], key_uri=key_uri, wrapped_key=wrapped_key)
    except (msgspec.DecodeError, UnicodeError, binascii.Error, KeyError) as exc:
        raise _malformed() from exc
    if rendered != value[: end + len(SEQUENCE)] or not _PRODUCER.fullmatch(attributes["producer"]):
        raise _malformed()
    return attributes


def parse_sequence(value: bytes, start: int) -> int:
    """Return the number that begins at ``start``; -1 when there is none in canonical form."""
    end = value.find(b",", start, start + _MAX_DIGITS + 1)
    digits = value[start:end] if end > 0 else b""
    if not digits.isdigit() or (digits[:1] == b"0" and len(digits) > 1):
        return -1
    sequence = int(digits)
    return sequence if sequence <= MAX_SEQUENCE else -1


def parse_number_and_key(value: bytes, start: int) -> tuple[int, bytes]:
    """Return the number that begins at ``start`` and the hash of the Kafka key that follows, with its quote.

    The number is -1 when there is none in canonical form; the hash is empty when there is none.
    """
    at = value.find(KEY_HASH, start, start + _NUMBER_AND_NAME)
    if at < 0:
        return parse_sequence(value, start), b""
    digits = value[start:at]
    if not digits.isdigit() or (digits[0] == _ZERO and at > start + 1):
        return -1, b""
    sequence = int(digits)
    at += len(KEY_HASH)
    return sequence if sequence <= MAX_SEQUENCE else -1, value[at : at + KEY_HASH_CHARACTERS + 1]


class LooseRecord(msgspec.Struct):
    """Just enough of a record that is not in canonical form to tell whose it was."""

    producer: str
    sequence: int


def parse_loosely(value: bytes) -> LooseRecord | None:
    """Return whose record this seems to be, however it is written; None when that cannot be told."""
    try:
        loose = _loose_decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return loose if _PRODUCER.fullmatch(loose.producer) and 0 <= loose.sequence <= MAX_SEQUENCE else None


def _protected(value: bytes, *, sealed: bool) -> bytes:
    """Return the start of the data, up to the end of the JWE header; nothing where there is none."""
    if not sealed:
        return _CLEAR_DATA if _CLEAR_DATA in value else b""
    start = value.find(_SEALED_DATA)
    end = value.find(b".", start)
    return value[start : end + 1] if 0 <= start < end <= start + 512 else b""


def _malformed() -> MalformedRecordError:
    return MalformedRecordError("the record is not in the form this format prescribes")


_decoder = msgspec.json.Decoder(dict[str, str])
_loose_decoder = msgspec.json.Decoder(LooseRecord)
