"""Reads stored objects in order, some of them ahead, and quarantines anything that is not a valid object."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future

from telemetry.audit.fallback.backlog import WaitingObject, in_order, listed
from telemetry.audit.record import SealedRecord
from telemetry.audit.replay.outcomes import ObjectOutcomes
from telemetry.audit.replay.quarantine import Quarantine
from telemetry.exceptions import (
    FormatError,
    StorageAccessDeniedError,
    StorageLimitError,
    StorageNotFoundError,
    VerificationError,
)
from telemetry.format.objects.fallback_object import decode_object, require_own_name
from telemetry.format.proof.leaves import from_text
from telemetry.storage import StorageProvider
from telemetry.system.worker_pool import WorkerPool

logger = logging.getLogger("telemetry.replay")

_BYTES_AHEAD = 8 << 20
_SHOWN = 3


class ObjectReader:
    """Reads one topic's objects, pass after pass.

    Args:
        store: Store of the objects.
        topic: Topic of the objects.
        quarantine: Receives objects that are damaged or foreign.
        outcomes: Records each object that is no longer in its place.
    """

    def __init__(self, store: StorageProvider, *, topic: str, quarantine: Quarantine, outcomes: ObjectOutcomes) -> None:
        self._store = store
        self._topic = topic
        self._quarantine = quarantine
        self._outcomes = outcomes
        self._unreadable: set[str] = set()

    def read_all(self, pool: WorkerPool) -> Iterator[tuple[WaitingObject, list[SealedRecord]]]:
        """Yield objects and their records in order.

        An object that may not be read blocks the later ones of its producer, whose records must not overtake its own;
        other producers' objects go on.

        Args:
            pool: Threads that read.
        """
        # Both begin empty in each pass: a right may have been granted since the last one.
        unreadable, blocked = set[str](), set[str]()
        for waiting, data in self._read_ahead(pool):
            if waiting.producer in blocked:
                continue
            try:
                records = self._open(waiting, data)
            except StorageAccessDeniedError as exc:
                blocked.add(waiting.producer)
                unreadable.add(waiting.name)
                # Said once for each object, not in every pass.
                if waiting.name not in self._unreadable:
                    logger.error(  # noqa: TRY400 - the cause is in the line
                        "the stored object %s cannot be read; it and later objects of its producer wait: %s",
                        waiting.name,
                        exc,
                    )
                continue
            if records is not None:
                yield waiting, records
        self._unreadable = unreadable

    def require_all_readable(self) -> None:
        """Raise ``StorageAccessDeniedError`` if the last pass had to leave objects where they are."""
        if self._unreadable:
            names = ", ".join(sorted(self._unreadable)[:_SHOWN])
            message = (
                f"{len(self._unreadable)} stored objects cannot be read; they and later objects of their producers "
                f"wait: {names}"
            )
            raise StorageAccessDeniedError(message)

    def _read_ahead(self, pool: WorkerPool) -> Iterator[tuple[WaitingObject, Future[bytes]]]:
        """Yield objects in order while the pool reads the next ones, bounded in number and bytes."""
        ahead, size = deque[tuple[WaitingObject, Future[bytes]]](), 0
        for waiting in in_order(listed(self._store, self._topic, on_foreign=self._move_foreign)):
            # A cloud store takes tens of milliseconds for each read; Kafka must not wait for them one by one.
            ahead.append((waiting, pool.submit(self._store.get, waiting.name)))
            size += waiting.size
            while len(ahead) > pool.count or (size > _BYTES_AHEAD and len(ahead) > 1):
                size -= ahead[0][0].size
                yield ahead.popleft()
        yield from ahead

    def _open(self, waiting: WaitingObject, data: Future[bytes]) -> list[SealedRecord] | None:
        """Return an object's records, or None if it is gone or in quarantine."""
        try:
            opened = decode_object(data.result())
            # The name decides the order; a renamed object would be sent in the wrong place.
            require_own_name(opened.header, waiting.parts)
        except StorageNotFoundError:
            # Another process replayed it between our listing and our read.
            self._outcomes.gone(waiting.name)
            return None
        except (FormatError, VerificationError, StorageLimitError) as exc:
            self._move(waiting.name, str(exc))
            return None
        return [
            SealedRecord.written(
                "",
                producer=waiting.producer,
                sequence=record.sequence,
                key=record.key,
                value=record.value,
                leaves=from_text(record.headers) if record.sequence is None else b"",
            )
            for record in opened.records
        ]

    def _move_foreign(self, name: str) -> None:
        self._move(name, "its name does not have the form of an object's name")

    def _move(self, name: str, reason: str) -> None:
        if self._quarantine.quarantine(name, reason):
            self._outcomes.gone(name)
