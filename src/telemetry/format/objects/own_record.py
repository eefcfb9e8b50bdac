"""Checks that a stored record is one that a given source could have logged, before anybody publishes it in its name.

A store is input from outside: the right to put an object into it must not become the right to write to the topic. Without a key this
cannot tell a copy from an original, or a forged ciphertext from a genuine one; it lets nothing else through.
"""

from __future__ import annotations

import hmac

import msgspec

from telemetry.exceptions import FormatError, TelemetryError
from telemetry.format.objects.record_lines import StoredRecord
from telemetry.format.proof.checkpoint import read_unverified
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.value import jwe
from telemetry.format.value.message import CLEAR_ATTRIBUTES, COMMITMENT, DATA, Message, parse
from telemetry.format.value.open_record import open_clear_record
from telemetry.format.value.render import key_hash

MAX_KEY_BYTES = 4_096

_NAMES = (
    "specversion",
    "source",
    "datacontenttype",
    "producer",
    "keyid",
    "wrappedkey",
    "recipients",
    "sequence",
    "keyhash",
    "id",
    "time",
    "type",
    "traceparent",
)
_PLACES = {name: place for place, name in enumerate((*_NAMES, *CLEAR_ATTRIBUTES, COMMITMENT))}

_encode = msgspec.json.Encoder().encode


def source_of_record(record: StoredRecord, *, producer: str, may_be_clear: bool) -> str:
    """Return the source of a record that this library can have written for it.

    Args:
        record: The record.
        producer: Producer that its object states.
        may_be_clear: Whether an event that is not sealed is one of them.

    Raises:
        FormatError: It cannot be a record of this library and this producer.
    """
    try:
        found = (
            _source_of_checkpoint(record, producer)
            if record.sequence is None
            else _source_of_event(record, producer, may_be_clear=may_be_clear)
        )
    except FormatError:
        raise
    except TelemetryError as exc:
        raise FormatError(str(exc)) from exc
    return found


def _source_of_event(record: StoredRecord, producer: str, *, may_be_clear: bool) -> str:
    message = parse(record.value)
    attributes = message.attributes
    _require(
        attributes["producer"] == producer and attributes["sequence"] == record.sequence,
        "it belongs to another producer or has another sequence than its object states",
    )
    hashed = str(attributes["keyhash"]).encode("utf-8", "replace")
    fits = len(record.key) <= MAX_KEY_BYTES and hmac.compare_digest(key_hash(record.key), hashed)
    _require(fits, "its Kafka key is not the one that its value names")
    if message.is_sealed:
        jwe.parse(message.data)
        _ = message.wrapped_key
    else:
        _require(may_be_clear, "it is not sealed, and this service seals")
        open_clear_record(record.value, key=record.key, message=message)
    _require(_is_canonical(record.value, message), "it is not in the form that this library writes")
    return str(attributes["source"])


def _source_of_checkpoint(record: StoredRecord, producer: str) -> str:
    message = decode_checkpoint_message(record.value)
    if message is None or message.producer != producer or record.key != producer.encode():
        reason = "a stored record is refused: it is neither an event nor a checkpoint of its producer"
        raise FormatError(reason)
    _, checkpoint = read_unverified(message.data)
    stated = (checkpoint.source, checkpoint.producer, checkpoint.time)
    _require(stated == (message.source, message.producer, message.time), "its note belongs to another record")
    return message.source


def _is_canonical(value: bytes, message: Message) -> bool:
    attributes = message.attributes
    places = [_PLACES[name] for name in attributes]
    if places != sorted(places):
        return False
    data = b'"%b"' % message.data if message.is_sealed else message.data
    return value == _encode(attributes)[:-1] + DATA + data + b"}"


def _require(fits: bool, reason: str) -> None:
    if not fits:
        message = f"a stored record is refused: {reason}"
        raise FormatError(message)
