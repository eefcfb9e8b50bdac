"""Opening a sealed record: decrypt, then hold every clear byte against the sealed event."""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.exceptions import TamperedError
from telemetry.format.value import jwe
from telemetry.format.value.event import AuditEvent, decode_event
from telemetry.format.value.message import Message, expected_value, projection


def open_record(key: bytes | None, value: bytes, message: Message, cipher: AESGCM, kid: str) -> AuditEvent:
    """Open a sealed record.

    Args:
        key: The record's Kafka key.
        value: The record's value.
        message: The same value, parsed.
        cipher: Made of the unwrapped data key.
        kid: The commitment, computed from the unwrapped data key.

    Returns:
        The event.

    Raises:
        TamperedError: Any byte of key or value is not what the sealed event says.
    """
    parts = jwe.parse(message.data)
    if not hmac.compare_digest(parts.kid, kid):
        error = "the wrapped key is not the one that sealed this record (kid differs)"
        raise TamperedError(error)
    event = decode_event(jwe.open_(cipher, parts))
    require_unaltered(key, value, message, event)
    return event


def open_clear_record(key: bytes | None, value: bytes, message: Message) -> AuditEvent:
    """Read a record that was logged with ``encryption_enabled=False``; raises as :func:`open_record` does."""
    event = decode_event(message.data)
    require_unaltered(key, value, message, event)
    return event


def require_unaltered(key: bytes | None, value: bytes, message: Message, event: AuditEvent) -> None:
    """Raise ``TamperedError`` unless key and value are exactly what the sealed event makes them (RFC 7519 5.3)."""
    if key != event.key.encode():
        error = f"the Kafka key of event {event.id} does not belong to its sealed user and service"
        raise TamperedError(error)
    if expected_value(event, message) == value:
        return
    expected = projection(event)
    for name, found in message.attributes.items():
        if name in expected and (type(found) is not type(expected[name]) or found != expected[name]):
            error = f"the attribute {name!r} of event {event.id} differs from the sealed event"
            raise TamperedError(error)
    error = f"the clear part of event {event.id} is not in the form this format prescribes"
    raise TamperedError(error)
