"""Opens a record with the full decoder: decrypts it and checks every cleartext byte against the sealed event."""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.exceptions import TamperedError
from telemetry.format.kafka_key import KafkaKey, is_key_of
from telemetry.format.value import jwe
from telemetry.format.value.commitment import expected_commitment
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.features import DISCLOSABLE
from telemetry.format.value.message import COMMITMENT, Message
from telemetry.format.value.recipients import recipients_digest
from telemetry.format.value.relayed import decode_in_place
from telemetry.format.value.render import expected_value, projection
from telemetry.format.value.subject.content import SubjectFinder


def open_record(
    value: bytes,
    *,
    key: KafkaKey,
    message: Message,
    cipher: AESGCM,
    kid: str,
    subjects: SubjectFinder | None = None,
) -> AuditEvent:
    """Open a sealed record.

    1. The data is a JWE in the one form of this format.
    2. The data key is the one that sealed it: the JWE names the same commitment.
    3. The GCM tag matches the JWE's header, initialization vector and ciphertext.
    4. The plaintext is an event of a schema version that this library knows. If it has a subject, its content opens with the
       subject's key; without that key, where it was destroyed, the event is forgotten.
    5. Key and value are what the sealed event makes them: no clear attribute was altered. That includes the commitment of
       a disclosable event, which is computed from the plaintext again.

    Args:
        value: The record's value.
        key: The record's Kafka key, as far as it was kept.
        message: The same value, parsed.
        cipher: AES-GCM with the unwrapped data key.
        kid: The commitment to the data key, computed from the unwrapped key (:func:`jwe.key_id`).
        subjects: Finds the keys of subjects; None where no store of them is configured.

    Returns:
        The event.

    Raises:
        TamperedError: A step fails: at least one byte of key or value is not what the sealed event says.
        KeyServiceError: The key of the event's subject is not available, and was not destroyed.
    """
    # 1. to 3.
    plaintext = sealed_bytes(message, cipher=cipher, kid=kid)
    # 4.
    event = event_in(plaintext, message, subjects=subjects)
    # 5.
    require_unaltered(value, key=key, message=message, event=event, plaintext=plaintext)
    return event


def open_clear_record(value: bytes, *, key: KafkaKey, message: Message) -> AuditEvent:
    """Read a record that was logged with ``encryption_enabled=False``: steps 4 and 5 of :func:`open_record`.

    Raises:
        TamperedError: The data is not an event, or a clear attribute differs from it.
    """
    event = event_in(message.data, message)
    require_unaltered(value, key=key, message=message, event=event, plaintext=message.data)
    return event


def sealed_bytes(message: Message, *, cipher: AESGCM, kid: str) -> bytes:
    """Return what a record seals: steps 1 to 3 of :func:`open_record`.

    Args:
        message: The record's value, parsed.
        cipher: AES-GCM with the unwrapped data key.
        kid: The commitment to the data key, computed from the unwrapped key.

    Raises:
        TamperedError: A step fails.
    """
    # 1.
    parts = jwe.parse(message.data)
    # 2. AES-GCM commits to no key: a ciphertext can be crafted that opens under two keys.
    if not hmac.compare_digest(parts.kid, kid):
        error = "the wrapped key is not the one that sealed this record (kid differs)"
        raise TamperedError(error)
    # 3.
    return jwe.open_(cipher, parts)


def event_in(plaintext: bytes, message: Message, *, subjects: SubjectFinder | None = None) -> AuditEvent:
    """Return the event of a plaintext, in the place of its record: step 4 of :func:`open_record`.

    Raises:
        NewerReaderNeededError: The event is of a later version, or uses features that only later versions know.
        MalformedRecordError: The bytes are not an event.
        KeyServiceError: The key of the event's subject is not available, and was not destroyed.
    """
    attributes = message.attributes
    return decode_in_place(
        plaintext, producer=attributes["producer"], sequence=attributes["sequence"], subjects=subjects
    )


def require_unaltered(value: bytes, *, key: KafkaKey, message: Message, event: AuditEvent, plaintext: bytes) -> None:
    """Check that no cleartext byte of a record was altered.

    The sealed event determines every byte outside it (RFC 7519 section 5.3, replicated claims). So there is one Kafka
    key and one value that can belong to it, and the record must have exactly these.

    Args:
        value: The record's value.
        key: The record's Kafka key, as far as it was kept.
        message: The same value, parsed.
        event: The event that the record seals.
        plaintext: The bytes that it seals.

    Raises:
        TamperedError: A byte differs; the message names the attribute.
    """
    # 1. The commitment to the sealed bytes, by which others can be shown what they were.
    if message.commitment != expected_commitment(event, plaintext):
        error = f"the attribute {COMMITMENT!r} of event {event.id} is not the one of its sealed content"
        raise TamperedError(error)
    # 2.
    require_clear_part(value, key=key, message=message, event=event)


def require_clear_part(value: bytes, *, key: KafkaKey, message: Message, event: AuditEvent) -> None:
    """Check that an event is one of those to which a record's clear part can belong, where its sealed bytes are not known.

    Args:
        value: The record's value.
        key: The record's Kafka key, as far as it was kept.
        message: The same value, parsed.
        event: What the record is said to seal.

    Raises:
        TamperedError: A byte differs; the message names the attribute. The commitment is not compared: it is that of bytes.
    """
    # 1. The Kafka key, which decides on the partition and so on the order of a user's events.
    if not is_key_of(key, event.key.encode()):
        error = f"the Kafka key of event {event.id} does not belong to its sealed user and service"
        raise TamperedError(error)
    # 2. The further wraps of the data key, of which the event has the digest.
    digest = recipients_digest(message.recipients) if message.recipients is not None else None
    if event.recipients != digest:
        error = f"the attribute 'recipients' of event {event.id} differs from the sealed event"
        raise TamperedError(error)
    # 3. Whether there is a commitment; it is that of bytes, which are compared elsewhere.
    if (message.commitment is not None) is not (DISCLOSABLE in event.features):
        error = f"the attribute {COMMITMENT!r} of event {event.id} is absent, or there although the event has none"
        raise TamperedError(error)
    # 4. The whole value at once: spaces, escapes, order and repeated attributes count as well.
    if expected_value(event, message) == value:
        return
    # 5. It was altered; the attribute is looked for only to name it.
    expected = projection(event)
    for name, actual in message.attributes.items():
        if name in expected and (type(actual) is not type(expected[name]) or actual != expected[name]):
            error = f"the attribute {name!r} of event {event.id} differs from the sealed event"
            raise TamperedError(error)
    error = f"the clear part of event {event.id} is not in the form this format prescribes"
    raise TamperedError(error)
