"""Opens records: unwrap, decrypt, and hold every clear byte against the sealed event."""

from __future__ import annotations

from typing import Any

import msgspec

from telemetry.encryption import EncryptionProvider
from telemetry.encryption.unwrap_cache import UnwrapCache
from telemetry.exceptions import MalformedRecordError, TelemetryError
from telemetry.format import message as message_format
from telemetry.format.message import Message
from telemetry.format.sealed import open_clear_record, open_record
from telemetry.reader.entry import CheckpointEntry, DamagedRecord, Entry, OpenedEvent, RawRecord, SealedEntry

CHECKPOINT_TYPE = "telemetry.checkpoint"


class _Kind(msgspec.Struct):
    """Just enough of a value to tell what it is."""

    type: str
    datacontenttype: str
    data: msgspec.Raw
    producer: str = ""


_kind_decoder = msgspec.json.Decoder(_Kind)


class RecordOpener:
    """Turns raw records into entries.

    Args:
        provider: Unwraps data keys; None leaves events sealed.
    """

    def __init__(self, provider: EncryptionProvider | None) -> None:
        self._keys = UnwrapCache(provider) if provider is not None else None

    def open(self, raw: RawRecord) -> Entry:
        """Return what the record is; a damaged one is an entry too, never an exception."""
        try:
            return self._open(raw)
        except TelemetryError as exc:
            return DamagedRecord(raw.place, exc, raw)

    def close(self) -> None:
        """Forget the data keys."""
        if self._keys is not None:
            self._keys.close()

    def _open(self, raw: RawRecord) -> Entry:
        if raw.value is None:
            error = "the record has no value (a tombstone); the topic needs cleanup.policy=delete"
            raise MalformedRecordError(error)
        if CHECKPOINT_TYPE.encode() in raw.value[:1_024]:
            checkpoint = _checkpoint(raw, raw.value)
            if checkpoint is not None:
                return checkpoint
        message = message_format.parse(raw.value)
        if not message.is_sealed:
            return OpenedEvent(open_clear_record(raw.key, raw.value, message), raw.place, sealed=False, raw=raw)
        if self._keys is None:
            return _sealed_entry(raw, message)
        key = self._keys.open_key(message.wrapped_key, message.key_uri, message.context)
        event = open_record(raw.key, raw.value, message, key.cipher, key.kid)
        return OpenedEvent(event, raw.place, sealed=True, raw=raw)


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


def _checkpoint(raw: RawRecord, value: bytes) -> CheckpointEntry | None:
    try:
        kind = _kind_decoder.decode(value)
        if kind.type != CHECKPOINT_TYPE or kind.datacontenttype != "text/plain":
            return None
        note = msgspec.json.decode(kind.data, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return CheckpointEntry(kind.producer, note, raw.place, raw)
