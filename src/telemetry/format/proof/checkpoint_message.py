"""Encodes and decodes the record in which a signed checkpoint travels on the topic."""

from __future__ import annotations

import msgspec

from telemetry.exceptions import MalformedRecordError
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.signed_note import MAX_NOTE_BYTES

CHECKPOINT_TYPE = "telemetry.checkpoint"
CHECKPOINT_CONTENT_TYPE = "text/plain"
MAX_MESSAGE_BYTES = 2 * MAX_NOTE_BYTES

_TYPE_TEXT = b'"%b"' % CHECKPOINT_TYPE.encode()

_encode = msgspec.json.Encoder().encode


class CheckpointMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a checkpoint, parsed but not verified.

    Attributes:
        id: UUIDv7 of the record.
        source: CloudEvents source of the producer's events.
        producer: UUIDv7 of the producer.
        time: When the checkpoint was created.
        data: The signed note.
    """

    specversion: str
    source: str
    datacontenttype: str
    producer: str
    id: str
    time: str
    type: str
    data: str


class _Kind(msgspec.Struct):
    """The two members that say whether a record is a checkpoint's."""

    type: str
    datacontenttype: str


_decoder = msgspec.json.Decoder(CheckpointMessage)
_kind_decoder = msgspec.json.Decoder(_Kind)


def encode_checkpoint_message(checkpoint: Checkpoint, note: str, *, event_id: str) -> bytes:
    """Return the value of a checkpoint's record; its Kafka key is the producer.

    Args:
        checkpoint: The signed checkpoint.
        note: The note that :func:`sign_checkpoint` returned for it.
        event_id: UUIDv7 of the record.
    """
    message = CheckpointMessage(
        specversion="1.0",
        source=checkpoint.source,
        datacontenttype=CHECKPOINT_CONTENT_TYPE,
        producer=checkpoint.producer,
        id=event_id,
        time=checkpoint.time,
        type=CHECKPOINT_TYPE,
        data=note,
    )
    return _encode(message)


def decode_checkpoint_message(value: bytes) -> CheckpointMessage | None:
    """Return the record of a checkpoint; None if the value is not a checkpoint's.

    Raises:
        MalformedRecordError: The value says that it is a checkpoint and is not in the canonical form of one.
    """
    # Nearly all records are events: they are recognized without parsing.
    if _TYPE_TEXT not in value:
        return None
    try:
        kind = _kind_decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if kind.type != CHECKPOINT_TYPE or kind.datacontenttype != CHECKPOINT_CONTENT_TYPE:
        return None
    return _decode_canonical(value)


def _decode_canonical(value: bytes) -> CheckpointMessage:
    try:
        message = _decoder.decode(value) if len(value) <= MAX_MESSAGE_BYTES else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = None
    if message is None or message.specversion != "1.0" or _encode(message) != value:
        error = "the checkpoint's record is not in the form this format prescribes"
        raise MalformedRecordError(error)
    return message
