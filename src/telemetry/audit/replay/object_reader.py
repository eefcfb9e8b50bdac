"""Reads the objects that wait for replay in order, some ahead, and sets aside what is none."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future

from telemetry.audit.fallback.backlog import WaitingObject, in_order, listed
from telemetry.audit.record import SealedRecord
from telemetry.audit.replay.quarantine import Quarantine
from telemetry.exceptions import (
    FormatError,
    StorageAccessDeniedError,
    StorageLimitError,
    StorageNotFoundError,
    VerificationError,
)
from telemetry.format.objects.fallback_object import decode_object, require_own_name
from telemetry.storage import StorageProvider
from telemetry.system.worker_pool import WorkerPool

logger = logging.getLogger("telemetry.replay")

_BYTES_AHEAD = 8 << 20
_SHOWN = 3


class ObjectReader:
    """Reads one topic's objects again and again, until none is left.

    Args:
        store: Where the objects are.
        topic: Whose objects.
        aside: Takes objects that are damaged or foreign.
        on_gone: Told the name of each object that is no longer in its place.
    """

    def __init__(
        self, store: StorageProvider, *, topic: str, aside: Quarantine, on_gone: Callable[[str], None]
    ) -> None:
        self._store = store
        self._topic = topic
        self._aside = aside
        self._on_gone = on_gone
        self._unreadable: set[str] = set()

    def read_all(self, pool: WorkerPool) -> Iterator[tuple[WaitingObject, list[SealedRecord]]]:
        """Yield objects and their records in order, without those behind one that cannot be read.

        Args:
            pool: Who reads.
        """
        unreadable, blocked = set[str](), set[str]()
        for waiting, data in self._read_ahead(pool):
            if waiting.producer in blocked:
                continue
            try:
                records = self._open(waiting, data)
            except StorageAccessDeniedError as exc:
                blocked.add(waiting.producer)
                unreadable.add(waiting.name)
                if waiting.name not in self._unreadable:
                    logger.error("the stored object %s waits, with all of its producer: %s", waiting.name, exc)  # noqa: TRY400 - the cause is in the line
                continue
            if records is not None:
                yield waiting, records
        self._unreadable = unreadable

    def require_all_readable(self) -> None:
        """Raise ``StorageAccessDeniedError`` if the last reading had to leave objects where they are."""
        if self._unreadable:
            names = ", ".join(sorted(self._unreadable)[:_SHOWN])
            message = f"{len(self._unreadable)} objects and what their producers stored later wait unread: {names}"
            raise StorageAccessDeniedError(message)

    def _read_ahead(self, pool: WorkerPool) -> Iterator[tuple[WaitingObject, Future[bytes]]]:
        """Yield objects in order, of which some more are being read meanwhile."""
        ahead, size = deque[tuple[WaitingObject, Future[bytes]]](), 0
        for waiting in in_order(listed(self._store, self._topic, on_foreign=self._quarantine_foreign)):
            ahead.append((waiting, pool.submit(self._store.get, waiting.name)))
            size += waiting.size
            while len(ahead) > pool.count or (size > _BYTES_AHEAD and len(ahead) > 1):
                size -= ahead[0][0].size
                yield ahead.popleft()
        yield from ahead

    def _open(self, waiting: WaitingObject, data: Future[bytes]) -> list[SealedRecord] | None:
        """Return an object's records, or None if it is gone or was set aside."""
        try:
            found = decode_object(data.result())
            require_own_name(found.header, waiting.parts)
        except StorageNotFoundError:
            self._on_gone(waiting.name)
            return None
        except (FormatError, VerificationError, StorageLimitError) as exc:
            self._quarantine(waiting.name, str(exc))
            return None
        return [
            SealedRecord.written(
                "", producer=waiting.producer, sequence=record.sequence, key=record.key, value=record.value
            )
            for record in found.records
        ]

    def _quarantine_foreign(self, name: str) -> None:
        self._quarantine(name, "its name is not one of this library")

    def _quarantine(self, name: str, reason: str) -> None:
        if self._aside.quarantine(name, reason):
            self._on_gone(name)
