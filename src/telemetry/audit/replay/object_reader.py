"""Reads stored objects in order, some of them ahead, and leaves or quarantines anything that is not this service's own."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future

from telemetry.audit.fallback.backlog import WaitingObject, in_order, listed
from telemetry.audit.marks.own_objects import MAX_OWN_BYTES, OpenedObject, OwnObjects, Whose
from telemetry.audit.record import SealedRecord
from telemetry.audit.replay.outcomes import ObjectOutcomes
from telemetry.audit.replay.quarantine import Quarantine
from telemetry.exceptions import (
    EncryptionError,
    FormatError,
    NewerReaderNeededError,
    StorageAccessDeniedError,
    StorageLimitError,
    StorageNotFoundError,
    VerificationError,
)
from telemetry.format.objects.stored_name import PLAIN, Shelf
from telemetry.storage import StorageProvider
from telemetry.system.worker_pool import WorkerPool

logger = logging.getLogger("telemetry.replay")

_BYTES_AHEAD = 8 << 20
_SHOWN = 3
_SHOWN_CHARACTERS = 400
_MAX_REMEMBERED = 10_000
"""Objects that are left, of which this process remembers the names."""


class ObjectReader:
    """Reads one topic's objects on one shelf, pass after pass.

    Args:
        store: Store of the objects.
        topic: Topic of the objects.
        own: Opens the objects of this service.
        quarantine: Receives objects that are damaged or foreign.
        outcomes: Records each object that is no longer in its place.
        shelf: The part of the store that is read.
        before: Reader of the shelf that is replayed before this one, if there is one: a producer's objects there are older.
    """

    def __init__(
        self,
        store: StorageProvider,
        *,
        topic: str,
        own: OwnObjects,
        quarantine: Quarantine,
        outcomes: ObjectOutcomes,
        shelf: Shelf = PLAIN,
        before: ObjectReader | None = None,
    ) -> None:
        self._store = store
        self._topic = topic
        self._own = own
        self._quarantine = quarantine
        self._outcomes = outcomes
        self._shelf = shelf
        self._before = before
        self._unreadable: set[str] = set()
        # Names of what the pass left, at most so many; those of the pass before; and the producers that wait at its end.
        self._left: set[str] = set()
        self._left_before: set[str] = set()
        self._left_more = False
        self._blocked: set[str] = set()

    def read_all(self, pool: WorkerPool) -> Iterator[tuple[WaitingObject, list[SealedRecord]]]:
        """Yield objects and their records in order.

        An object of this service that cannot be read or opened blocks the later ones of its producer, whose records must
        not overtake its own; other producers' objects go on. An object of another service is left, and blocks none.

        Args:
            pool: Threads that read.
        """
        # Both begin anew in each pass: a right may have been granted since the last one.
        unreadable = set[str]()
        self._left, self._left_before, self._left_more = set(), self._left, False
        blocked = self._before.producers() if self._before is not None else set[str]()
        for waiting, opening in self._read_ahead(pool):
            if waiting.producer in blocked:
                continue
            try:
                opened = self._result(waiting, opening)
            except (StorageAccessDeniedError, EncryptionError) as exc:
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
            if opened is None:
                continue
            if opened.whose is Whose.UNMARKED:
                self._outcomes.opened_unmarked(waiting.name)
            yield waiting, opened.records
        self._unreadable, self._blocked = unreadable, blocked

    def require_all_readable(self) -> None:
        """Raise ``StorageAccessDeniedError`` if the last pass had to leave objects where they are."""
        if self._unreadable:
            names = ", ".join(sorted(self._unreadable)[:_SHOWN])
            message = (
                f"{len(self._unreadable)} stored objects cannot be read; they and later objects of their producers "
                f"wait: {names}"
            )
            raise StorageAccessDeniedError(message)

    def producers(self) -> set[str]:
        """Return the producers of which objects wait on this shelf that may be this service's own."""
        if self._left_more:
            # Anybody may put such objects there, in any number and under any producer's name: they must block nobody.
            return set(self._blocked)
        waiting = listed(self._store, self._topic, shelf=self._shelf)
        return {entry.producer for entry in waiting if entry.name not in self._left}

    def _read_ahead(self, pool: WorkerPool) -> Iterator[tuple[WaitingObject, Future[OpenedObject]]]:
        """Yield objects in order while the pool opens the next ones, bounded in number and bytes."""
        ahead, size = deque[tuple[WaitingObject, Future[OpenedObject]]](), 0
        waiting_objects = listed(self._store, self._topic, shelf=self._shelf, on_foreign=self._move_foreign)
        for waiting in in_order(waiting_objects):
            if waiting.size > MAX_OWN_BYTES:
                self._leave(waiting.name, f"it is larger than {MAX_OWN_BYTES} bytes, which no version stored")
                continue
            # A cloud store takes tens of milliseconds for each read; Kafka must not wait for them one by one.
            ahead.append((waiting, pool.submit(self._open, waiting)))
            size += waiting.size
            while len(ahead) > pool.count or (size > _BYTES_AHEAD and len(ahead) > 1):
                size -= ahead[0][0].size
                yield ahead.popleft()
        yield from ahead

    def _open(self, waiting: WaitingObject) -> OpenedObject:
        return self._own.open(waiting, self._store.stream(waiting.name))

    def _result(self, waiting: WaitingObject, opening: Future[OpenedObject]) -> OpenedObject | None:
        """Return an object that is sent, or None if it is gone, left or in quarantine."""
        try:
            opened = opening.result()
        except StorageNotFoundError:
            # Another process replayed it between our listing and our read.
            self._outcomes.gone(waiting.name)
            return None
        except NewerReaderNeededError as exc:
            self._leave(waiting.name, str(exc))
            return None
        except (FormatError, VerificationError, StorageLimitError) as exc:
            self._move(waiting.name, str(exc))
            return None
        if opened.whose is Whose.OTHERS:
            self._leave(waiting.name, opened.reason)
            return None
        if opened.whose is Whose.EXPIRED:
            self._move(waiting.name, opened.reason)
            return None
        return opened

    def _leave(self, name: str, reason: str) -> None:
        # Nobody of this process may wait for an object that it will never send.
        self._outcomes.gone(name)
        if len(self._left) >= _MAX_REMEMBERED:
            if not self._left_more:
                logger.warning("more than %d stored objects are left where they are; see the first", _MAX_REMEMBERED)
            self._left_more = True
            return
        self._left.add(name)
        # Said once for each object, not in every pass.
        if name in self._left_before:
            return
        logger.warning("the stored object %r is left where it is: %s", name[:_SHOWN_CHARACTERS], reason)

    def _move_foreign(self, name: str) -> None:
        self._move(name, "its name does not have the form of an object's name")

    def _move(self, name: str, reason: str) -> None:
        if self._quarantine.quarantine(name, reason, shelf=self._shelf):
            self._outcomes.gone(name)
        else:
            self._leave(name, "nothing in it is sent, and it blocks no other object")
