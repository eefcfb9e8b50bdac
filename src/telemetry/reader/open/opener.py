"""Opens records: unwrap, decrypt, and hold every clear byte against the sealed event."""

from __future__ import annotations

import time
from typing import Any

from telemetry.encryption import EncryptionProvider
from telemetry.encryption.unwrap_cache import UnwrapCache
from telemetry.exceptions import MalformedRecordError, TelemetryError
from telemetry.format.proof.checkpoint import decode_checkpoint_message
from telemetry.format.value import message as message_format
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.fast_open import OpenedHead
from telemetry.format.value.message import Message
from telemetry.format.value.open_record import open_clear_record, open_record
from telemetry.reader.entry import CheckpointEntry, DamagedRecord, Entry, OpenedEvent, RawRecord, SealedEntry
from telemetry.reader.verify.record_group import SEQUENCE

_MAX_HEADS = 1_000
_FRESH_SECONDS = 1.0
"""How long a data key is used without asking the cache for it, which forgets keys after their time."""


class RecordOpener:
    """Turns raw records into entries.

    Args:
        provider: Unwraps data keys; None leaves events sealed.
    """

    def __init__(self, provider: EncryptionProvider | None) -> None:
        self._keys = UnwrapCache(provider) if provider is not None else None
        self._heads: dict[bytes, OpenedHead] = {}

    def open(self, raw: RawRecord) -> Entry:
        """Return what the record is; a damaged one is an entry too, never an exception."""
        try:
            return self._open(raw)
        except TelemetryError as exc:
            return DamagedRecord(raw.place, exc, raw)

    def close(self) -> None:
        """Forget the data keys."""
        self._heads.clear()
        if self._keys is not None:
            self._keys.close()

    def _open(self, raw: RawRecord) -> Entry:
        if raw.value is None:
            error = "the record has no value (a tombstone); the topic needs cleanup.policy=delete"
            raise MalformedRecordError(error)
        at = raw.value.find(SEQUENCE)
        head = self._heads.get(raw.value[:at]) if at > 0 else None
        event = self._open_quickly(head, raw.key, raw.value) if head is not None else None
        if event is not None:
            return OpenedEvent(event, raw.place, sealed=True, raw=raw)
        checkpoint = decode_checkpoint_message(raw.value)
        if checkpoint is not None:
            return CheckpointEntry(checkpoint.producer, checkpoint.data, raw.place, raw)
        message = message_format.parse(raw.value)
        if not message.is_sealed:
            return OpenedEvent(open_clear_record(raw.key, raw.value, message), raw.place, sealed=False, raw=raw)
        if self._keys is None:
            return _sealed_entry(raw, message)
        key = self._keys.open_key(message.wrapped_key, message.key_uri, message.context)
        event = open_record(raw.key, raw.value, message, key.cipher, key.kid)
        if len(self._heads) >= _MAX_HEADS:
            self._heads.clear()
        fresh_until = time.monotonic() + _FRESH_SECONDS
        self._heads[raw.value[:at]] = OpenedHead(
            message, key.cipher, kid=key.kid, end=at + len(SEQUENCE), fresh_until=fresh_until
        )
        return OpenedEvent(event, raw.place, sealed=True, raw=raw)

    def _open_quickly(self, head: OpenedHead, key: bytes | None, value: bytes) -> AuditEvent | None:
        if time.monotonic() >= head.fresh_until:
            if self._keys is None:
                return None
            message = head.message
            self._keys.open_key(message.wrapped_key, message.key_uri, message.context)
            head.fresh_until = time.monotonic() + _FRESH_SECONDS
        return head.open(key, value)


def _sealed_entry(raw: RawRecord, message: Message) -> SealedEntry:
    attributes: dict[str, Any] = message.attributes
    return SealedEntry(
        event_id=attributes["id"],
        producer=attributes["producer"],
        sequence=attributes["sequence"],
        event_type=attributes["type"],
        time=attributes["time"],
        place=raw.place,
        raw=raw,
    )
