"""Deletes replayed objects, several at a time."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import NamedTuple

from telemetry.audit.fallback.backlog import WaitingObject
from telemetry.audit.replay.outcomes import ObjectOutcomes
from telemetry.exceptions import StorageError
from telemetry.storage import StorageProvider
from telemetry.system.worker_pool import WorkerPool


class _Deletion(NamedTuple):
    waiting: WaitingObject
    events: int
    done: Future[None]


class DeletionQueue:
    """Objects that are being deleted, in order.

    The pool's threads delete; the outcomes are recorded in the thread that calls :meth:`wait_until_at_most`.

    Args:
        pool: Threads that delete.
        store: Store of the objects.
        outcomes: Records each object that is gone.
    """

    def __init__(self, pool: WorkerPool, store: StorageProvider, outcomes: ObjectOutcomes) -> None:
        self._pool = pool
        self._store = store
        self._outcomes = outcomes
        self._begun: deque[_Deletion] = deque()

    def __len__(self) -> int:
        """How many deletions have begun and are not recorded."""
        return len(self._begun)

    def add(self, waiting: WaitingObject, *, events: int) -> None:
        """Begin to delete an object.

        Args:
            waiting: The object; Kafka has acknowledged all of its records.
            events: Number of events among these.
        """
        self._begun.append(_Deletion(waiting, events, self._pool.submit(self._store.delete, waiting.name)))

    def wait_until_at_most(self, count: int) -> None:
        """Record the deletions that are done, and wait until at most ``count`` are not.

        Raises:
            StorageError: The last failure among them; the others are recorded all the same, and an object that is
                still there is sent again, and recognised as a duplicate.
        """
        failure: StorageError | None = None
        # From the front only: outcomes are recorded in the order of sending, as a reader of the log expects them.
        while self._begun and (len(self._begun) > count or self._begun[0].done.done()):
            deletion = self._begun.popleft()
            try:
                deletion.done.result()
            except StorageError as exc:
                # Kept until the end: the other objects are gone, and must not count as waiting.
                failure = exc
            else:
                self._outcomes.replayed(deletion.waiting, events=deletion.events)
        if failure is not None:
            raise failure
