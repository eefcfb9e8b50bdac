"""Opens records: unwraps the data key, decrypts, and checks every cleartext byte against the sealed event."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from telemetry.encryption import EncryptionProvider
from telemetry.encryption.unwrap.budget import UnwrapBudget
from telemetry.exceptions import MalformedRecordError, TelemetryError, WrapNotSeenError
from telemetry.format.kafka_key import KafkaKey
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.roster.message import decode_roster_message
from telemetry.format.value.disclosure import Disclosure, disclose_record
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.fast_open import KeyHashes, KnownHeadDecoder
from telemetry.format.value.message import SEQUENCE, Message, parse
from telemetry.format.value.open_record import open_clear_record, open_record
from telemetry.format.value.recipients import ATTRIBUTE
from telemetry.format.value.subject.content import SubjectFinder
from telemetry.reader.entry import (
    CheckpointEntry,
    DamagedRecord,
    Entry,
    OpenedEvent,
    RawRecord,
    RosterEntry,
    SealedEntry,
    SourceRecord,
)
from telemetry.reader.open.data_keys import DataKeys, KeyWay
from telemetry.system.aged_cache import AgedCache

_HEADS_BYTES = 64 << 20
_HEAD_WEIGHT = 5_000
"""Bytes that a known head costs beside its own bytes; half of them are the cipher's."""
_HEAD_COPIES = 3
"""How often the bytes of a head are in memory: here, in its decoder, and as what they say."""
_RECIPIENTS = b'"%b":' % ATTRIBUTE.encode()
_FRESH_SECONDS = 1.0
"""How long a head's data key is used before the cache is asked again; the cache forgets keys after a time of its own."""


class RecordOpener:
    """Turns raw records into entries.

    Args:
        provider: Unwraps data keys; None leaves events sealed.
        budget: Bounds what forged wrapped keys cost.
        subjects: Finds the keys of subjects; None where no store of them is configured.
    """

    def __init__(
        self,
        provider: EncryptionProvider | None,
        *,
        budget: UnwrapBudget | None = None,
        subjects: SubjectFinder | None = None,
    ) -> None:
        self._subjects = subjects
        self._budget = budget or UnwrapBudget()
        self._keys = DataKeys(provider, budget=self._budget) if provider is not None else None
        self._heads: AgedCache[bytes, _KnownHead] = AgedCache(_HEADS_BYTES)
        self._key_hashes = KeyHashes()

    def open(self, raw: RawRecord, *, waited: bool = False) -> Entry:
        """Return the entry of a record; a damaged record is an entry too, never an exception.

        Args:
            raw: The record.
            waited: Whether it was refused with ``UnknownKeysError`` before, and has waited for its turn.
        """
        try:
            return self._open(raw, waited=waited)
        except TelemetryError as exc:
            return DamagedRecord(raw.place, exc, raw)

    def open_among(self, raw: RawRecord, others: Iterable[SourceRecord]) -> Entry:
        """Return the entry of one record, whose data key may be known by a wrap that another record names.

        Args:
            raw: The record.
            others: The trail around it, which is read only as far as it is needed; none of it is opened.
        """
        entry = self.open(raw)
        for other in others if _needs_a_wrap(entry) else ():
            if not isinstance(other, RawRecord) or _RECIPIENTS not in (other.value or b""):
                continue
            with suppress(TelemetryError):
                self._learn(other.value or b"")
            if self.take_arrived():
                entry = self.open(raw)
            if not _needs_a_wrap(entry):
                break
        return entry

    def disclose(self, raw: RawRecord) -> Disclosure | None:
        """Return the content of a record in the form in which others can check it without a key.

        Args:
            raw: The record.

        Returns:
            The content; None if the record has no commitment to it, or nothing unwraps data keys here.

        Raises:
            TamperedError: The record was altered, or commits to another content than it seals.
            NewerReaderNeededError: The event uses a feature that only later versions know.
            KeyServiceError: The subclass says why the data key is not available.
        """
        value = raw.value or b""
        message = parse(value)
        if message.commitment is None or self._keys is None:
            return None
        data_key, _ = self._keys.find(message, waited=False)
        return disclose_record(value, key=raw.kafka_key, message=message, cipher=data_key.cipher, kid=data_key.kid)

    def list_keys(self, kids: Iterable[str]) -> None:
        """Ask for these data keys at once, however many forged ones came before: a proven checkpoint lists them."""
        self._budget.list_keys(kids)

    def seconds_to_wait(self) -> float:
        """Return the seconds until a record that waits may be opened."""
        return self._budget.wait()

    def take_arrived(self) -> list[bytes]:
        """Return the data keys for which ``WrapNotSeenError`` may no longer be raised, since the last call."""
        return self._keys.take_arrived() if self._keys is not None else []

    def close(self) -> None:
        """Forget the data keys."""
        self._heads.clear()
        self._key_hashes.clear()
        if self._keys is not None:
            self._keys.close()

    def _open(self, raw: RawRecord, *, waited: bool) -> Entry:
        """Try the decoders in turn, the one that most records need first.

        1. A record without a value is damaged.
        2. The fast decoder opens an event whose head was opened before.
        3. A checkpoint is returned with its note, and a roster of a witness with its name; neither is verified.
        4. An event that was logged in the clear is compared with its own attributes.
        5. Without a key service a sealed event stays sealed.
        6. The full decoder opens it, or says what is wrong with it. Its head is known from now on.
        """
        # 1.
        value = raw.value
        if value is None:
            error = "the record has no value (a tombstone); the topic needs cleanup.policy=delete"
            raise MalformedRecordError(error)
        # 2.
        head = value[: value.find(SEQUENCE)] if self._heads else b""
        known = self._heads.get(head)
        event = known.open(raw.kafka_key, value, self._keys) if known is not None and self._keys is not None else None
        if event is not None:
            return OpenedEvent(event, raw.place, sealed=True, raw=raw)
        # 3.
        checkpoint = decode_checkpoint_message(value)
        if checkpoint is not None:
            return CheckpointEntry(checkpoint.producer, checkpoint.data, raw.place, raw)
        roster = decode_roster_message(value)
        if roster is not None:
            return RosterEntry(roster.origin, raw.place, raw)
        # 4.
        message = parse(value)
        if not message.is_sealed:
            event = open_clear_record(value, key=raw.kafka_key, message=message)
            return OpenedEvent(event, raw.place, sealed=False, raw=raw)
        # 5.
        if self._keys is None:
            return _sealed_entry(raw, message)
        # 6.
        event = self._open_fully(raw, message, self._keys, waited=waited)
        return OpenedEvent(event, raw.place, sealed=True, raw=raw)

    def _learn(self, value: bytes) -> None:
        if self._keys is not None:
            self._keys.learn(parse(value))

    def _open_fully(self, raw: RawRecord, message: Message, keys: DataKeys, *, waited: bool) -> AuditEvent:
        value = raw.value or b""
        data_key, way = keys.find(message, waited=waited)
        event = open_record(
            value,
            key=raw.kafka_key,
            message=message,
            cipher=data_key.cipher,
            kid=data_key.kid,
            subjects=self._subjects,
        )
        keys.opened(event.producer)
        # Only now is it certain that head and data key belong together.
        head = value[: value.find(SEQUENCE)]
        decoder = KnownHeadDecoder(
            value,
            message,
            cipher=data_key.cipher,
            kid=data_key.kid,
            key_hashes=self._key_hashes,
            subjects=self._subjects,
        )
        self._heads.put(head, _KnownHead(decoder, way, weight=_HEAD_WEIGHT + _HEAD_COPIES * len(head)))
        return event


class _KnownHead:
    """The fast decoder of a head, and until when its data key may be used.

    Args:
        decoder: Opens the records with this head.
        way: How the data key was opened.
        weight: Bytes that all of it costs.
    """

    __slots__ = ("_decoder", "_fresh_until", "_way", "weight")

    def __init__(self, decoder: KnownHeadDecoder, way: KeyWay, *, weight: int) -> None:
        self.weight = weight
        self._decoder = decoder
        self._way = way
        self._fresh_until = time.monotonic() + _FRESH_SECONDS

    def open(self, key: KafkaKey, value: bytes, keys: DataKeys) -> AuditEvent | None:
        """Return the event; None if the full decoder must look at the record.

        Raises:
            EncryptionError: The key service no longer unwraps the data key.
        """
        if time.monotonic() >= self._fresh_until:
            # A right that was withdrawn must end the reading, although this process still has the key.
            keys.renew(self._way)
            self._fresh_until = time.monotonic() + _FRESH_SECONDS
        return self._decoder.open(key, value)


def _needs_a_wrap(entry: Entry) -> bool:
    return isinstance(entry, DamagedRecord) and isinstance(entry.error, WrapNotSeenError)


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
