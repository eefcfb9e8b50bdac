"""Encodes and decodes the record in which a roster travels on the topic; readers of events pass over it."""

from __future__ import annotations

import msgspec

from telemetry.exceptions import FormatError, MalformedRecordError, TamperedError
from telemetry.format.roster.roster import MAX_ROSTER_BYTES, ORIGIN, Roster, decode_roster, encode_roster

ROSTER_TYPE = "telemetry.roster"

_CONTENT_TYPE = "application/json"
_START = f'{{"specversion":"1.0","source":"/{ORIGIN}'.encode()
_MAX_BYTES = 2 * MAX_ROSTER_BYTES


class _Message(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a roster; ``data`` is the roster as text."""

    specversion: str
    source: str
    datacontenttype: str
    id: str
    time: str
    type: str
    data: str


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(_Message)


def encode_roster_message(roster: Roster, *, event_id: str) -> bytes:
    """Return the value of a roster's record; its Kafka key is the origin of the log.

    Args:
        roster: The roster.
        event_id: UUIDv7 of the record.
    """
    return _encode(
        _Message(
            specversion="1.0",
            source=f"/{roster.origin}",
            datacontenttype=_CONTENT_TYPE,
            id=event_id,
            time=roster.time,
            type=ROSTER_TYPE,
            data=encode_roster(roster).decode(),
        )
    )


def decode_roster_message(value: bytes) -> Roster | None:
    """Return the roster in a record; None if the value is not a roster's. Who signed it is not verified.

    Raises:
        MalformedRecordError: The value begins as a roster's does, and is not in the canonical form of one.
    """
    # Nearly all records are events: they are recognized without parsing.
    if not value.startswith(_START):
        return None
    try:
        message = _decoder.decode(value) if len(value) <= _MAX_BYTES else None
        roster = decode_roster(message.data.encode()) if message is not None else None
    except (msgspec.DecodeError, UnicodeError, RecursionError, FormatError, TamperedError) as exc:
        error = "the roster's record is not in the form this format prescribes"
        raise MalformedRecordError(error) from exc
    if message is None or roster is None or _is_other(message, roster) or _encode(message) != value:
        error = "the roster's record is not in the form this format prescribes"
        raise MalformedRecordError(error)
    return roster


def _is_other(message: _Message, roster: Roster) -> bool:
    """Return whether the attributes of a record are not those of its roster."""
    found = message.type, message.datacontenttype, message.source, message.time
    return found != (ROSTER_TYPE, _CONTENT_TYPE, f"/{roster.origin}", roster.time)
