"""Deletes stored objects that are replayed, several at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from telemetry.audit.fallback.backlog import WaitingObject
from telemetry.exceptions import StorageError
from telemetry.storage import StorageProvider
from telemetry.system.worker_pool import WorkerPool


class DeletionQueue:
    """Objects that are being deleted, in order.

    Args:
        pool: Who deletes.
        store: Where the objects are.
        on_deleted: Told, in the caller's thread, each object that is gone and how many events it had.
    """

    def __init__(
        self, pool: WorkerPool, store: StorageProvider, on_deleted: Callable[[WaitingObject, int], None]
    ) -> None:
        self._pool = pool
        self._store = store
        self._on_deleted = on_deleted
        self._begun: deque[tuple[WaitingObject, int, Future[None]]] = deque()

    def begin(self, waiting: WaitingObject, *, events: int) -> None:
        """Have an object deleted."""
        self._begun.append((waiting, events, self._pool.submit(self._store.delete, waiting.name)))

    def settle(self, most: int) -> None:
        """Take note of what is done, and wait until no more than ``most`` are not.

        Raises:
            StorageError: What one of them met; the others are settled all the same.
        """
        failure: StorageError | None = None
        while self._begun and (len(self._begun) > most or self._begun[0][2].done()):
            waiting, events, done = self._begun.popleft()
            try:
                done.result()
            except StorageError as exc:
                failure = exc
            else:
                self._on_deleted(waiting, events)
        if failure is not None:
            raise failure
