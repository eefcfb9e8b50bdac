"""Writes and reads the row in which a sealed event waits in a database, without a place in any stream (docs/format.md).

A row comes from a database that other people may write to. Reading it admits only what this library writes for the source
that it states; whether a ciphertext is genuine only its data key can tell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from telemetry.exceptions import EventError, EventTooLargeError, TelemetryError
from telemetry.format.calendar_time import has_time_form, is_in_calendar
from telemetry.format.objects.own_record import source_of_record
from telemetry.format.objects.record_lines import StoredRecord
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.features import HIDDEN_EVENT_TYPE
from telemetry.format.value.head import parse_head, start_of_data
from telemetry.format.value.message import CLEAR_ATTRIBUTES, DATA, KEY_HASH, SEQUENCE, parse
from telemetry.format.value.recipients import parse_recipients
from telemetry.format.value.render import render_head

FORMAT = "telemetry-outbox"
VERSION = 1
MAX_TYPE_CHARACTERS = 255

_NOWHERE = "00000000-0000-7000-8000-000000000000"
"""Producer of the record that is only built to be checked."""
_PRODUCER = b',"producer":"%b"'
_KEY_ID = b',"keyid":'
_RESERVED = "telemetry."
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_MARGIN_BYTES = 256 << 10
_ROW = b'{"format":"%b","version":%d,"key":%b,"value":%b}'

_encode = msgspec.json.Encoder().encode


class _Version(msgspec.Struct):
    """The members that every version of a row begins with."""

    format: str
    version: int


class _Row(_Version):
    """A row of version 1."""

    key: str
    value: msgspec.Raw


_version_decoder = msgspec.json.Decoder(_Version)
_row_decoder = msgspec.json.Decoder(_Row)


class OutboxRow(msgspec.Struct, frozen=True, eq=False):
    """A sealed event that lacks only its place.

    Attributes:
        event_id: UUIDv7 of the event.
        key: Kafka key.
        source: CloudEvents source.
        is_sealed: Whether the event is encrypted.
        before_producer: The value up to the producer ...
        before_sequence: ... from there to the sequence ...
        after_sequence: ... and from there to the end.
        jwe_header: Protected header of the JWE, in base64url; empty where the event is in the clear. Rows of one data key
            share the object.
    """

    event_id: str
    key: bytes
    source: str
    is_sealed: bool
    before_producer: bytes
    before_sequence: bytes
    after_sequence: bytes
    jwe_header: bytes

    def __repr__(self) -> str:
        return f"OutboxRow(event_id={self.event_id!r})"

    def value(self, producer: str, sequence: int) -> bytes:
        """Return the value of the record that has this place."""
        return b"".join((
            self.before_producer, _PRODUCER % producer.encode(), self.before_sequence,
            SEQUENCE, b"%d" % sequence, self.after_sequence,
        ))  # fmt: skip


def most_bytes(max_event_bytes: int) -> int:
    """Return the most bytes that the row of an event can have.

    Args:
        max_event_bytes: Limit of the event as JSON. Base64 makes four bytes of three, and what is projected is there twice.
    """
    return 2 * max_event_bytes + _MARGIN_BYTES


def head_without_place(
    source: str, *, key_uri: str | None, wrapped_key: bytes | None, recipients: str | None = None
) -> bytes:
    """Return what the value of a row begins with, up to the hash of its key; constant for a data key.

    Args:
        source: CloudEvents source.
        key_uri: URI of the KEK; None where the event is in the clear.
        wrapped_key: The wrapped data key; None where the event is in the clear.
        recipients: Text of the further wraps.
    """
    head = render_head(source, _NOWHERE, key_uri=key_uri, wrapped_key=wrapped_key, recipients=recipients)
    return head.removesuffix(SEQUENCE).replace(_PRODUCER % _NOWHERE.encode(), b"", 1)


def render_row(key: bytes, *, head: bytes, hashed: bytes, tail: bytes, data: bytes, sealed: bool) -> bytes:
    """Return the row of an event.

    Args:
        key: Kafka key.
        head: From :func:`head_without_place`.
        hashed: The :func:`~telemetry.format.value.render.key_hash` of the key.
        tail: From ``render_tail``: id, time, type and what follows, up to the data.
        data: The JWE, or the event's JSON if it is not sealed.
        sealed: Whether the data is a JWE.
    """
    quoted = b'"%b"' % data if sealed else data
    value = b"".join((head, KEY_HASH, hashed, b'"', tail, quoted, b"}"))
    return _ROW % (FORMAT.encode(), VERSION, _encode(key.decode()), value)


def parse_row(row: bytes, *, max_bytes: int) -> OutboxRow:
    """Return what a row says.

    1. It is not larger than a row can be, and of a version that this library knows.
    2. With some place its value is the record of an event, in the one form of this format, with the Kafka key of the row.
    3. Its id, time, type, trace and projected fields are such as ``seal()`` writes.

    Args:
        row: The bytes that :func:`render_row` returned, as the database gives them back.
        max_bytes: The most that a row may have.

    Raises:
        EventTooLargeError: It is larger.
        EventError: It is no such row; a relay can do nothing with it.
    """
    # 1.
    if len(row) > max_bytes:
        error = f"the outbox row has {len(row)} bytes; a relay with this max_event_bytes accepts {max_bytes}"
        raise EventTooLargeError(error)
    decoded = _decoded(row)
    # 2.
    key, parts = decoded.key.encode(), _parts(decoded.value)
    _require(row == _ROW % (FORMAT.encode(), VERSION, _encode(decoded.key), b"".join(parts)), "form")
    value = b"".join((parts[0], _PRODUCER % _NOWHERE.encode(), parts[1], SEQUENCE, b"0", parts[2]))
    try:
        parse_head(value, value.find(SEQUENCE))
        source = source_of_record(StoredRecord(key, value, 0), producer=_NOWHERE, may_be_clear=True)
        message = parse(value)
        if message.recipients is not None:
            parse_recipients(message.recipients)
    except TelemetryError as exc:
        error = f"the outbox row is refused: {str(exc).removeprefix('a stored record is refused: ')}"
        raise EventError(error) from exc
    # 3.
    _require_plain(message.attributes)
    header = start_of_data(value, sealed=True)[len(DATA) + 1 : -1] if message.is_sealed else b""
    return OutboxRow(str(message.attributes["id"]), key, source, message.is_sealed, *parts, _shared(header))


def _decoded(row: bytes) -> _Row:
    try:
        version = _version_decoder.decode(row)
        if version.format == FORMAT and version.version > VERSION:
            error = (
                f"the outbox row has version {version.version}, of a newer version of this library; upgrade the relay"
            )
            raise EventError(error)
        _require((version.format, version.version) == (FORMAT, VERSION), "format and version")
        return _row_decoder.decode(row)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        error = "the outbox row is refused: it is no row of this library"
        raise EventError(error) from exc


def _parts(value: msgspec.Raw) -> tuple[bytes, bytes, bytes]:
    """Return a value up to where its producer belongs, from there to its sequence, and the rest."""
    text = bytes(value)
    sequence_at = max(text.find(KEY_HASH), 0)
    named_at = text.find(_KEY_ID, 0, sequence_at)
    producer_at = sequence_at if named_at < 0 else named_at
    return text[:producer_at], text[producer_at:sequence_at], text[sequence_at:]


def _require_plain(attributes: Mapping[str, Any]) -> None:
    event_type, time = str(attributes["type"]), str(attributes["time"])
    is_reserved = event_type.startswith(_RESERVED) and event_type != HIDDEN_EVENT_TYPE
    _require(is_uuid(str(attributes["id"])), "id")
    _require(has_time_form(time) and is_in_calendar(time), "time")
    _require(0 < len(event_type) <= MAX_TYPE_CHARACTERS and not is_reserved, "type")
    _require("traceparent" not in attributes or _is_trace(attributes["traceparent"]), "traceparent")
    projected = [value for name, value in attributes.items() if name in CLEAR_ATTRIBUTES]
    _require(all(isinstance(value, str | bool) for value in projected), "projected fields")


def _is_trace(value: object) -> bool:
    return isinstance(value, str) and _TRACEPARENT.fullmatch(value) is not None


def _require(fits: bool, part: str) -> None:
    if not fits:
        error = f"the outbox row is refused: its {part} cannot have been written by this library"
        raise EventError(error)


@lru_cache(maxsize=4_096)
def _shared(header: bytes) -> bytes:
    """Return an equal header that was seen before: the tree recognizes the records of a data key by the object."""
    return header
