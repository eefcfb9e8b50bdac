"""What the records of one data key have in common, parsed and unwrapped once: each of them is then opened quickly."""

from __future__ import annotations

import binascii

import pybase64
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.exceptions import MalformedRecordError
from telemetry.format.value import jwe
from telemetry.format.value.event import AuditEvent, decode_event
from telemetry.format.value.message import (
    CLEAR_ATTRIBUTES,
    MAX_VALUE_BYTES,
    Message,
    key_hash,
    render_middle,
    render_tail,
)

_DATA = b',"data":'
_IV_CHARACTERS = 16
_TAG_CHARACTERS = 22
_MAX_KEYS = 4_096
_LEAST = _IV_CHARACTERS + _TAG_CHARACTERS + 2
_DOT = ord(".")
_LAST = frozenset(b"AQgw")
"""How a tag of 128 bits can end in canonical base64url: the last four bits mean nothing and are zero."""
# The standard alphabet's own + and / must not pass for - and _: two texts would stand for the same bytes.


class OpenedHead:
    """The first part of a record, up to the name of the sequence; made of a record that was opened the long way.

    Args:
        message: That record, taken apart.
        cipher: Made of its data key.
        kid: The commitment to that key.
        end: Where its sequence begins.
        fresh_until: Until when the data key may be used without asking for it again, in monotonic seconds.

    Attributes:
        message: As given.
        fresh_until: As given.
    """

    __slots__ = ("_cipher", "_end", "_hashes", "_marker", "_protected", "_whose", "fresh_until", "message")

    def __init__(self, message: Message, cipher: AESGCM, *, kid: str, end: int, fresh_until: float) -> None:
        self.message = message
        self.fresh_until = fresh_until
        self._hashes: dict[bytes, bytes] = {}
        self._cipher = cipher
        self._end = end
        self._protected = jwe.protected_header(kid)
        self._marker = b'%b"%b..' % (_DATA, self._protected)
        context = message.context
        self._whose = (message.attributes["producer"], context["service"], context["environment"])

    def open(self, key: bytes | None, value: bytes) -> AuditEvent | None:
        """Return the event of another record with this head.

        Args:
            key: The record's Kafka key.
            value: The record's value, which begins with this head.

        Returns:
            The event, if every byte of key and value is what the sealed event makes it. None if not: opening it the
            long way then tells why, or finds a form that is allowed and that this way does not know.
        """
        at = value.find(self._marker, self._end)
        if at < 0 or value[-2:] != b'"}' or len(value) > MAX_VALUE_BYTES:
            return None
        text = value[at + len(self._marker) : -2]
        if len(text) < _LEAST or text[_IV_CHARACTERS] != _DOT or text[-_TAG_CHARACTERS - 1] != _DOT:
            return None
        plaintext = self._decrypt(text)
        if plaintext is None:
            return None
        try:
            event = decode_event(plaintext)
        except MalformedRecordError:
            return None
        whose = (event.producer, event.service_name, event.environment)
        own_key = event.key.encode()
        hashed = self._hashes.get(own_key) or self._hash_of(own_key)
        is_unaltered = key == own_key and value[self._end : at + len(_DATA)] == _middle(event, hashed)
        return event if is_unaltered and whose == self._whose else None

    def _hash_of(self, key: bytes) -> bytes:
        if len(self._hashes) >= _MAX_KEYS:
            self._hashes.clear()
        found = self._hashes[key] = key_hash(key)
        return found

    def _decrypt(self, text: bytes) -> bytes | None:
        # IV, ciphertext and tag have whole groups of four characters but for the tag's end, so one decoding does.
        body = text[:_IV_CHARACTERS] + text[_IV_CHARACTERS + 1 : -_TAG_CHARACTERS - 1] + text[-_TAG_CHARACTERS:]
        # What the decoder takes beside the alphabet, or not in its one canonical form.
        if text[-1] not in _LAST or b"+" in body or b"/" in body or b"=" in body:
            return None
        try:
            data = pybase64.b64decode(body + b"==", b"-_", validate=True)
            return self._cipher.decrypt(data[: jwe.IV_BYTES], data[jwe.IV_BYTES :], self._protected)
        except (binascii.Error, InvalidTag):
            return None


def _middle(event: AuditEvent, hashed: bytes) -> bytes:
    """Return what must stand between head and data."""
    clear = {}
    if event.clear_fields:
        clear = {name: getattr(event, field) for name, field in CLEAR_ATTRIBUTES.items() if field in event.clear_fields}
    tail = render_tail(event.id, event.time, event.event_type, event.traceparent, clear)
    return render_middle(event.sequence, hashed, tail)
