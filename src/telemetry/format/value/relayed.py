"""Decodes the event of a record, and completes one that was sealed before it had a place in a stream.

Such an event uses the feature ``relayed``: its producer and sequence are those of the record that carries it.
"""

from __future__ import annotations

import msgspec

from telemetry.exceptions import MalformedRecordError
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.event import AuditEvent, decode_event
from telemetry.format.value.features import RELAYED
from telemetry.format.value.template import beginning_of

_PLACED = b'{"producer":'
"""Begins each event that this library seals with its place."""


class _Place(msgspec.Struct):
    """The place that an event itself states."""

    producer: str | None = None
    sequence: int | None = None


_place_decoder = msgspec.json.Decoder(_Place)


def decode_in_place(plaintext: bytes, *, producer: str, sequence: int) -> AuditEvent:
    """Return the event of a record.

    Args:
        plaintext: What the record seals.
        producer: Producer that the record names.
        sequence: Sequence that the record names.

    Raises:
        NewerReaderNeededError: The event is of a later version, or uses features that only later versions know.
        MalformedRecordError: The bytes are not an event, or it has a place and says that it has none.
    """
    states_place = plaintext.startswith(_PLACED) or _states_place(plaintext)
    if not states_place and plaintext.startswith(b'{"') and is_uuid(producer):
        plaintext = b"%b,%b" % (beginning_of(producer) % sequence, plaintext[1:])
    event = decode_event(plaintext)
    if states_place is (RELAYED in event.features):
        message = "the event's features do not say where its producer and its sequence are"
        raise MalformedRecordError(message)
    return event


def _states_place(plaintext: bytes) -> bool:
    try:
        place = _place_decoder.decode(plaintext)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True  # it is no event, or one of a later version: the decoder says which
    return place.producer is not None or place.sequence is not None
