"""Moves what cannot be replayed out of the way; nothing of it is ever deleted."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

import uuid_utils

from telemetry.audit.fallback.backlog import WaitingObject
from telemetry.audit.record import SealedRecord
from telemetry.exceptions import (
    FormatError,
    StorageConflictError,
    StorageLimitError,
    StorageNotFoundError,
    TransportError,
    VerificationError,
)
from telemetry.format.objects.fallback_object import StoredRecord, decode_object, encode_object
from telemetry.format.objects.stored_name import (
    QUARANTINE,
    REJECTED,
    ObjectName,
    object_name,
    parse_object_name,
)
from telemetry.kafka.errors import reason_of
from telemetry.storage import StorageProvider, storable_name

logger = logging.getLogger("telemetry.replay")


class Quarantine:
    """Two folders of a store: records that Kafka refused, and objects that are damaged or foreign.

    Args:
        store: Where the objects are.
        topic: Whose objects.
    """

    def __init__(self, store: StorageProvider, *, topic: str) -> None:
        self._store = store
        self._topic = topic
        self._unmovable: set[str] = set()

    def reject(self, waiting: WaitingObject, records: Sequence[SealedRecord], error: TransportError) -> str:
        """Store records that Kafka will never take as an object of their own; return the reason in one word."""
        reason = reason_of(error)
        stored = [StoredRecord(record.key, record.value, record.sequence) for record in records]
        data = encode_object(stored, topic=self._topic, producer=waiting.producer, reason=reason)
        self._create(f"{REJECTED}/", waiting.parts, data)
        logger.error("%d records of %s are set aside under %s/: %s", len(records), waiting.name, REJECTED, error)
        return reason

    def quarantine(self, name: str, reason: str) -> bool:
        """Move a damaged or foreign object; return whether it is gone from its place."""
        try:
            self._move(name)
        except StorageNotFoundError:
            return True
        except StorageLimitError as exc:
            if name not in self._unmovable:
                self._unmovable.add(name)
                logger.error("the stored object %r stays where it is: %s", name, exc)  # noqa: TRY400 - the cause is in the line
            return False
        logger.error("the stored object %s is moved to %s/: %s", name, QUARANTINE, reason)
        return True

    def restore(self) -> int:
        """Put every rejected object back among those that wait; return how many there were.

        Killed between the two steps, it leaves both: then records are sent twice, which readers recognise.
        """
        count = 0
        for stored in list(self._store.list(f"{REJECTED}/{self._topic}/")):
            try:
                parts = _parts_of(stored.name.removeprefix(f"{REJECTED}/"))
                self._create("", parts, self._store.get(stored.name))
            except StorageNotFoundError:
                continue
            except (FormatError, VerificationError, StorageLimitError) as exc:
                logger.error("the rejected object %s stays where it is: %s", stored.name, exc)  # noqa: TRY400
                continue
            self._store.delete(stored.name)
            count += 1
        return count

    def _create(self, folder: str, parts: ObjectName, data: bytes) -> None:
        try:
            self._store.put(f"{folder}{_own_name(parts, data)}", data)
        except StorageConflictError:
            # Whoever did this before was killed half-way, and Kafka refuses other records, or for another reason, now.
            another = parts._replace(created=str(uuid_utils.uuid7()))
            self._store.put(f"{folder}{_own_name(another, data)}", data)

    def _move(self, name: str) -> None:
        data = self._store.get(name)
        aside = storable_name(name)
        try:
            self._store.put(f"{QUARANTINE}/{aside}", data)
        except StorageConflictError:
            # Another damaged object had this name before.
            digest = hashlib.sha256(data).hexdigest()
            self._store.put(f"{QUARANTINE}/{storable_name(f'{aside}-{digest[:16]}')}", data)
        self._store.delete(name)


def _parts_of(name: str) -> ObjectName:
    parts = parse_object_name(name)
    if parts is None:
        message = "its name is not one of this library"
        raise FormatError(message)
    return parts


def _own_name(parts: ObjectName, data: bytes) -> str:
    """Return the name under which an object's content can be replayed."""
    header = decode_object(data).header
    return object_name(
        parts.topic,
        created_uuid7=parts.created,
        day=parts.day,
        producer=header.producer,
        first=header.first_sequence,
        last=header.last_sequence,
    )
