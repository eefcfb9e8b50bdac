"""Moves objects that cannot be replayed out of the way of the others; no record of them is ever deleted."""

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
    WAITING,
    ObjectName,
    below,
    object_name,
    parse_stored_name,
)
from telemetry.format.proof.leaves import as_text
from telemetry.kafka.errors import reason_of
from telemetry.storage import StorageProvider, storable_name

logger = logging.getLogger("telemetry.replay")


class Quarantine:
    """Two folders of a store: ``rejected/`` for what Kafka refused, ``quarantine/`` for damaged or foreign objects.

    Every move creates the copy first and deletes the original afterwards. Killed in between, it leaves both.

    Args:
        store: Store of the objects.
        topic: Topic of the objects.
    """

    def __init__(self, store: StorageProvider, *, topic: str) -> None:
        self._store = store
        self._topic = topic
        self._unmovable: set[str] = set()

    def reject(self, waiting: WaitingObject, records: Sequence[SealedRecord], error: TransportError) -> str:
        """Store records that Kafka will never accept as an object of their own; return the reason in one word."""
        reason = reason_of(error)
        stored = [StoredRecord(record.key, record.value, record.sequence, as_text(record.leaves)) for record in records]
        data = encode_object(stored, topic=self._topic, producer=waiting.producer, reason=reason)
        self._create(REJECTED, waiting.parts, data)
        logger.error(
            "Kafka refused %d records of the stored object %s; they are under %s/ now: %s",
            len(records),
            waiting.name,
            REJECTED,
            error,
        )
        return reason

    def quarantine(self, name: str, reason: str) -> bool:
        """Move a damaged or foreign object; return whether it is gone from its place."""
        try:
            self._move(name)
        except StorageNotFoundError:
            return True
        except StorageLimitError as exc:
            # Said once: the object is found again in every pass.
            if name not in self._unmovable:
                self._unmovable.add(name)
                logger.error(  # noqa: TRY400 - the cause is in the line
                    "the stored object %r cannot be moved to %s/ and stays where it is: %s", name, QUARANTINE, exc
                )
            return False
        logger.error("the stored object %s was moved to %s/: %s", name, QUARANTINE, reason)
        return True

    def restore(self) -> int:
        """Put every rejected object back among those that wait; return how many there were.

        Killed between the two steps, it leaves both: then records are sent twice, which readers recognise.
        """
        count = 0
        # Listed as a whole first, because the loop deletes from the folder that is being listed.
        for stored in list(self._store.list(below(REJECTED, f"{self._topic}/"))):
            try:
                parts = _require_parts(stored.name)
                self._create(WAITING, parts, self._store.get(stored.name))
            except StorageNotFoundError:
                continue
            except (FormatError, VerificationError, StorageLimitError) as exc:
                logger.error("the rejected object %s cannot be restored and stays where it is: %s", stored.name, exc)  # noqa: TRY400
                continue
            self._store.delete(stored.name)
            count += 1
        return count

    def _create(self, folder: str, parts: ObjectName, data: bytes) -> None:
        try:
            self._store.put(below(folder, _name_of(parts, data)), data)
        except StorageConflictError:
            # An earlier attempt was killed half-way, and Kafka refuses other records, or for another reason, now.
            another = parts._replace(created=str(uuid_utils.uuid7()))
            self._store.put(below(folder, _name_of(another, data)), data)

    def _move(self, name: str) -> None:
        data = self._store.get(name)
        target = storable_name(name)
        try:
            self._store.put(below(QUARANTINE, target), data)
        except StorageConflictError:
            # Another damaged object had this name before; the digest keeps both.
            digest = hashlib.sha256(data).hexdigest()
            self._store.put(below(QUARANTINE, storable_name(f"{target}-{digest[:16]}")), data)
        self._store.delete(name)


def _require_parts(name: str) -> ObjectName:
    stored = parse_stored_name(name)
    if stored is None:
        message = "its name does not have the form of an object's name"
        raise FormatError(message)
    return stored.object_name


def _name_of(parts: ObjectName, data: bytes) -> str:
    """Return the name under which an object's content can be replayed: its sequences are those of the content."""
    header = decode_object(data).header
    return object_name(
        parts.topic,
        created_uuid7=parts.created,
        day=parts.day,
        producer=header.producer,
        first=header.first_sequence,
        last=header.last_sequence,
    )
