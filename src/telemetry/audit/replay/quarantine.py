"""Moves objects that cannot be replayed out of the way of the others; no record of them is ever deleted."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

import uuid_utils

from telemetry.audit.fallback.backlog import WaitingObject
from telemetry.audit.fallback.object_form import ObjectForm, PlainForm
from telemetry.audit.record import SealedRecord
from telemetry.exceptions import (
    FormatError,
    StorageConflictError,
    StorageLimitError,
    StorageNotFoundError,
    TransportError,
    VerificationError,
)
from telemetry.format.objects.byte_parts import ByteParts
from telemetry.format.objects.fallback_object import decode_object
from telemetry.format.objects.record_lines import StoredRecord
from telemetry.format.objects.sealed_reader import SealedObjectReader
from telemetry.format.objects.stored_name import (
    PLAIN,
    QUARANTINE,
    REJECTED,
    SEALED,
    WAITING,
    ObjectName,
    Shelf,
    object_name,
    parse_stored_name,
)
from telemetry.format.proof.leaves import as_text
from telemetry.kafka.errors import reason_of
from telemetry.storage import StorageProvider, storable_name

logger = logging.getLogger("telemetry.replay")

MAX_MOVED_BYTES = 64 << 20
"""Largest object that is moved; a copy needs its bytes in memory, twice for a moment."""
_SHOWN = 400
"""Characters of a name that a log line shows: a name is input, like a content."""


class Quarantine:
    """Two folders of a shelf: ``rejected/`` for what Kafka refused, ``quarantine/`` for damaged or foreign objects.

    Every move creates the copy first and deletes the original afterwards. Killed in between, it leaves both.

    Args:
        store: Store of the objects.
        topic: Topic of the objects.
        form: Form in which rejected records are stored.
    """

    def __init__(self, store: StorageProvider, *, topic: str, form: ObjectForm | None = None) -> None:
        self._store = store
        self._topic = topic
        self._form = form if form is not None else PlainForm()
        self._unmovable: set[str] = set()

    def reject(self, waiting: WaitingObject, records: Sequence[SealedRecord], error: TransportError) -> str:
        """Store records that Kafka will never accept as an object of their own; return the reason in one word."""
        reason = reason_of(error)
        stored = [StoredRecord(record.key, record.value, record.sequence, as_text(record.leaves)) for record in records]
        data = self._form.encode(stored, topic=self._topic, producer=waiting.producer, reason=reason)
        self._create(REJECTED, waiting.parts, data, shelf=self._form.shelf)
        logger.error(
            "Kafka refused %d records of the stored object %s; they are under %s now: %s",
            len(records),
            waiting.name,
            self._form.shelf.below(REJECTED, ""),
            error,
        )
        return reason

    def quarantine(self, name: str, reason: str, *, shelf: Shelf = PLAIN) -> bool:
        """Move a damaged or foreign object of a shelf; return whether it is gone from its place."""
        folder = shelf.below(QUARANTINE, "")
        try:
            self._move(name, shelf)
        except StorageNotFoundError:
            return True
        except (FormatError, StorageLimitError) as exc:
            # Said once: the object is found again in every pass.
            if name not in self._unmovable:
                self._unmovable.add(name)
                logger.error(  # noqa: TRY400 - the cause is in the line
                    "the stored object %r cannot be moved to %s and stays where it is: %s", name[:_SHOWN], folder, exc
                )
            return False
        logger.error("the stored object %r was moved to %s: %s", name[:_SHOWN], folder, reason)
        return True

    def restore(self, shelf: Shelf = PLAIN) -> int:
        """Put every rejected object of a shelf back among those that wait; return how many there were.

        Killed between the two steps, it leaves both: then records are sent twice, which readers recognise.
        """
        # Listed as a whole first, because the loop deletes from the folder that is being listed.
        rejected = list(self._store.list(shelf.below(REJECTED, f"{self._topic}/")))
        return sum(self._restore(stored.name, shelf) for stored in rejected)

    def _restore(self, name: str, shelf: Shelf) -> int:
        try:
            parts = _require_parts(name)
            self._create(WAITING, parts, self._store.get(name), shelf=shelf)
        except StorageNotFoundError:
            return 0
        except (FormatError, VerificationError, StorageLimitError) as exc:
            logger.error("the rejected object %r cannot be restored and stays where it is: %s", name[:_SHOWN], exc)  # noqa: TRY400
            return 0
        self._store.delete(name)
        return 1

    def _create(self, folder: str, parts: ObjectName, data: bytes, *, shelf: Shelf) -> None:
        try:
            self._store.put(shelf.below(folder, _name_of(parts, data, shelf)), data)
        except StorageConflictError:
            # An earlier attempt was killed half-way, and Kafka refuses other records, or for another reason, now.
            another = parts._replace(created=str(uuid_utils.uuid7()))
            self._store.put(shelf.below(folder, _name_of(another, data, shelf)), data)

    def _move(self, name: str, shelf: Shelf) -> None:
        data = b"".join(ByteParts(self._store.stream(name), max_bytes=MAX_MOVED_BYTES).rest())
        target = storable_name(name.removeprefix(shelf.below(WAITING, "")))
        try:
            self._store.put(shelf.below(QUARANTINE, target), data)
        except StorageConflictError:
            # Another damaged object had this name before; the digest keeps both.
            digest = hashlib.sha256(data).hexdigest()
            self._store.put(shelf.below(QUARANTINE, storable_name(f"{target}-{digest[:16]}")), data)
        self._store.delete(name)


def _require_parts(name: str) -> ObjectName:
    stored = parse_stored_name(name)
    if stored is None:
        message = "its name does not have the form of an object's name"
        raise FormatError(message)
    return stored.object_name


def _name_of(parts: ObjectName, data: bytes, shelf: Shelf) -> str:
    """Return the name under which an object's content can be replayed: its sequences are those of the content."""
    header = SealedObjectReader([data]).header if shelf is SEALED else decode_object(data).header
    return object_name(
        parts.topic,
        created_uuid7=parts.created,
        day=parts.day,
        producer=header.producer,
        first=header.first_sequence,
        last=header.last_sequence,
        shelf=shelf,
    )
