"""Decodes the event of a record, and completes one that was sealed before it had a place in a stream.

Such an event uses the feature ``relayed``: its producer and sequence are those of the record that carries it.
"""

from __future__ import annotations

import hmac

import msgspec

from telemetry.exceptions import MalformedRecordError, TamperedError
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.event import AuditEvent, decode_event, require_known_version
from telemetry.format.value.features import RELAYED
from telemetry.format.value.message import source_of
from telemetry.format.value.subject.content import SubjectFinder, joined, subject_part
from telemetry.format.value.subject.subject_key import SubjectKey
from telemetry.format.value.template import beginning_of

_PLACED = b'{"producer":'
"""Begins each event that this library seals with its place."""


class _Place(msgspec.Struct):
    """The place that an event itself states."""

    producer: str | None = None
    sequence: int | None = None


_place_decoder = msgspec.json.Decoder(_Place)


def decode_in_place(
    plaintext: bytes, *, producer: str, sequence: int, subjects: SubjectFinder | None = None
) -> AuditEvent:
    """Return the event of a record.

    Args:
        plaintext: What the record seals.
        producer: Producer that the record names.
        sequence: Sequence that the record names.
        subjects: Finds the keys of subjects; None where no store of them is configured.

    Raises:
        NewerReaderNeededError: The event is of a later version, or uses features that only later versions know.
        MalformedRecordError: The bytes are not an event, or it has a place and says that it has none.
        TamperedError: The content is not the one that was sealed under the key of the event's subject.
        KeyServiceError: The key of the subject is not available, and was not destroyed.
    """
    part, subject_key = subject_part(plaintext), None
    if part is not None:
        require_known_version(plaintext)
        plaintext, subject_key = joined(part, subjects)
    states_place = plaintext.startswith(_PLACED) or _states_place(plaintext)
    if not states_place and plaintext.startswith(b'{"') and is_uuid(producer):
        plaintext = b"%b,%b" % (beginning_of(producer) % sequence, plaintext[1:])
    event = decode_event(plaintext)
    if states_place is (RELAYED in event.features):
        message = "the event's features do not say where its producer and its sequence are"
        raise MalformedRecordError(message)
    if part is not None:
        _require_subject(event, subject_key, subjects)
    elif event.subject is not None:
        message = "the event names the key of its subject, and has no content under it"
        raise MalformedRecordError(message)
    return event


def _require_subject(event: AuditEvent, key: SubjectKey | None, subjects: SubjectFinder | None) -> None:
    """Check that an event belongs to its subject's key; that the features name it was checked on decoding.

    Raises:
        MalformedRecordError: The event has no Kafka key of its own.
        TamperedError: The key is one of another service's subject, or the Kafka key is not derived from it.
    """
    if event.kafka_key is None:
        message = "the event has a subject, and no Kafka key that is derived from the subject's key"
        raise MalformedRecordError(message)
    if key is not None:
        owner = key.source
    else:
        # A destroyed key says nothing any more: the store alone knows whose it was.
        owner = subjects.source_of(event.subject.key) if subjects is not None and event.subject is not None else ""
    if owner != source_of(event.environment, event.service_name):
        message = "the event is sealed under the key of a subject of another service"
        raise TamperedError(message)
    if key is None:
        return
    expected = key.kafka_key(f"{event.user_id}:{event.service_name}".encode())
    if not hmac.compare_digest(expected, event.kafka_key.encode()):
        message = "the Kafka key that the event names is not the one of its subject"
        raise TamperedError(message)


def _states_place(plaintext: bytes) -> bool:
    try:
        place = _place_decoder.decode(plaintext)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True  # it is no event, or one of a later version: the decoder says which
    return place.producer is not None or place.sequence is not None
