"""Discloses the content of single events, and checks without any key what others disclose (docs/adr/0037)."""

from __future__ import annotations

import hmac

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.exceptions import MalformedRecordError, TamperedError
from telemetry.format.kafka_key import NOT_KEPT, KafkaKey
from telemetry.format.value.commitment import commitment_of
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.message import MAX_VALUE_BYTES, Message, parse
from telemetry.format.value.open_record import event_in, require_unaltered, sealed_bytes


class Disclosure(msgspec.Struct, frozen=True):
    """The content of one disclosable event, for others to check.

    Attributes:
        plaintext: The bytes that the record seals, salt included, exactly as they are there: JSON in UTF-8.
    """

    plaintext: bytes

    def __repr__(self) -> str:
        return "Disclosure()"


def disclose_record(value: bytes, *, key: KafkaKey, message: Message, cipher: AESGCM, kid: str) -> Disclosure:
    """Return the content of a sealed record; with the checks, arguments and errors of ``open_record``."""
    plaintext = sealed_bytes(message, cipher=cipher, kid=kid)
    # The checks of opening: nobody should be given content that its own record contradicts.
    require_unaltered(value, key=key, message=message, event=event_in(plaintext, message), plaintext=plaintext)
    return Disclosure(plaintext)


def verify_disclosure(value: bytes, disclosure: Disclosure) -> AuditEvent:
    """Return the event of a record, as somebody has disclosed it.

    1. The record has a commitment.
    2. It is the one of the disclosed bytes: no others have it (SHA-256 is collision resistant, FIPS 180-4).
    3. These bytes are a disclosable event of a version that this library knows.
    4. Every clear byte of the value is what this event makes it, as on opening the record.

    Who has written the record is not checked here: an inclusion proof shows that a trusted key has signed the value, and
    with it the commitment. Nor is the ciphertext opened.

    Args:
        value: The record's value, exactly as on the topic.
        disclosure: What its sealed bytes are said to be.

    Returns:
        The event.

    Raises:
        TamperedError: A step fails: this was not logged in this record.
        NewerReaderNeededError: The event uses a feature that only later versions know.
    """
    message = parse(value)
    # 1.
    if message.commitment is None:
        error = "the record has no commitment to its content: it was logged without `disclosable`, and only its key shows it"
        raise TamperedError(error)
    # 2.
    plaintext = disclosure.plaintext
    if len(plaintext) > MAX_VALUE_BYTES:
        error = f"the disclosed content is larger than {MAX_VALUE_BYTES} bytes"
        raise MalformedRecordError(error)
    if not hmac.compare_digest(commitment_of(plaintext), message.commitment):
        error = "the disclosed content is not what was logged in this record (the commitment differs)"
        raise TamperedError(error)
    # 3.
    event = event_in(plaintext, message)
    # 4. The value has the hash of the Kafka key, which is not here.
    require_unaltered(value, key=NOT_KEPT, message=message, event=event, plaintext=plaintext)
    return event
