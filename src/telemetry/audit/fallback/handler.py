"""Stores events while Kafka does not accept them, merged into objects of a sensible size."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from telemetry.audit.fallback.backlog import WaitingObject
from telemetry.audit.fallback.object_buffer import ObjectBuffer, PendingObject
from telemetry.audit.fallback.object_form import ObjectForm
from telemetry.audit.ledger import Ledger
from telemetry.audit.record import SealedRecord
from telemetry.exceptions import EncryptionError, StorageError, TelemetryError, TransportError
from telemetry.kafka.errors import reason_of
from telemetry.storage import StorageProvider
from telemetry.system.backoff import Backoff
from telemetry.system.deadline import Deadline
from telemetry.system.worker import Worker

logger = logging.getLogger("telemetry.fallback")

_IDLE_SECONDS = 3_600.0
_JOIN_SECONDS = 1.0
_FLUSH_PAUSE_SECONDS = 0.1


class StoredBatch(NamedTuple):
    """An object of this process that waits for replay.

    Attributes:
        events: Number of its events.
        size: Its bytes.
        stored_at: Monotonic seconds.
    """

    events: int
    size: int
    stored_at: float


class FallbackHandler:
    """Collects records, writes them as objects, and settles them once the store has acknowledged.

    Until then they stay in memory (and in the spool, where there is one), in order. A store that fails is tried again
    without end; the pipeline's bounds then make ``log()`` wait and raise.

    The sender adds, takes back and flushes. The handler's own thread writes one object at a time, outside the lock. The
    replay's thread forgets objects that left the store. One condition guards what they share and announces changes.

    Args:
        store: Store that receives the objects.
        provider: Name of the store, for metrics.
        topic: Topic of the records.
        ledger: Settles stored records.
        max_object_bytes: An object is written when its records reach this size ...
        max_object_seconds: ... or when the first of them has waited this long.
        form: Form in which objects are stored; default: lines of records.
        replay_wanted: Set when the replay should look at the store at once; default: nobody looks.
    """

    def __init__(
        self,
        store: StorageProvider,
        *,
        provider: str,
        topic: str,
        ledger: Ledger,
        max_object_bytes: int,
        max_object_seconds: float,
        form: ObjectForm | None = None,
        replay_wanted: threading.Event | None = None,
    ) -> None:
        self._store = store
        self._provider = provider
        self._ledger = ledger
        self._changed = threading.Condition()
        self._buffer = ObjectBuffer(topic=topic, max_bytes=max_object_bytes, max_seconds=max_object_seconds, form=form)
        self._writing: PendingObject | None = None
        self._flushing = False
        self._stored: dict[str, StoredBatch] = {}
        self._replay_wanted = replay_wanted or threading.Event()
        self._has_rejected = False
        self._backoff = Backoff(first=0.2, longest=10.0)
        self._worker = Worker("telemetry-fallback", self._run)
        self._worker.start()

    def add(self, records: Sequence[SealedRecord], *, reason: str) -> None:
        """Accept records, in order."""
        if not records:
            return
        with self._changed:
            self._buffer.add(records, reason=reason, now=time.monotonic())
            self._changed.notify_all()

    def reject(self, records: Sequence[SealedRecord], error: TransportError) -> None:
        """Store records that are too large for the topic; the replay is woken then, and moves them to ``rejected/``."""
        with self._changed:
            self._has_rejected = True
        self.add(records, reason=reason_of(error))

    def queue_after(self, backlog: Iterable[WaitingObject]) -> None:
        """Keep what is added from now on until these objects of earlier processes are replayed, like its own."""
        now = time.monotonic()
        with self._changed:
            for waiting in backlog:
                self._stored[waiting.name] = StoredBatch(waiting.events, waiting.size, now)

    def take_back(self) -> list[SealedRecord] | None:
        """Return the records that are in no object, in order, if nothing of this process waits for replay.

        An object whose write keeps failing is given up for this: if the store has it after all, its replay
        only creates duplicates.

        Returns:
            The records, or None while objects of this process are in the store or on their way.
        """
        with self._changed:
            # A write that is running may succeed after this, and its object would then overtake what is sent directly.
            writing = self._writing
            if self._stored or (writing is not None and not writing.failed):
                return None
            return self._take_all()

    def pause_new_objects(self, seconds: float) -> None:
        """Begin no further object for a while, unless much comes in.

        The replay asks for this when little is left: otherwise, under a steady load, there would always be one more
        object, and the process would never return to direct sending.
        """
        with self._changed:
            self._buffer.pause(time.monotonic() + seconds)

    def forget(self, name: str) -> None:
        """Record that an object was replayed or quarantined."""
        with self._changed:
            self._stored.pop(name, None)

    def keep_only(self, listing: Iterable[str]) -> None:
        """Forget the objects that the store no longer has.

        Args:
            listing: The names in the store. It must begin to list when it is asked for the first one: what is stored
                meanwhile may be in it or not.
        """
        # What is stored while the store is being listed is not in ``known``, and so is never taken for gone.
        with self._changed:
            known = set(self._stored)
        gone = known - known.intersection(listing)
        with self._changed:
            for name in gone:
                self._stored.pop(name, None)

    @property
    def is_drained(self) -> bool:
        """Whether the store has nothing of this process."""
        return not self._stored

    @property
    def is_accepting(self) -> bool:
        """Whether the last write to the store succeeded, or none was tried yet."""
        return self._backoff.is_first

    @property
    def writing_since(self) -> float | None:
        """When the object that is being written was cut, in monotonic seconds; None while none is."""
        writing = self._writing
        return writing.begun_at if writing is not None else None

    @property
    def oldest(self) -> float | None:
        """When the oldest record that is not stored yet was added, in monotonic seconds; None while there is none."""
        writing = self._writing
        return writing.opened_at if writing is not None else self._buffer.oldest

    def backlog(self) -> tuple[int, int, int, float]:
        """Return objects, events, bytes and the oldest age in seconds of what waits for replay."""
        with self._changed:
            stored = list(self._stored.values())
        oldest = min((batch.stored_at for batch in stored), default=None)
        age = time.monotonic() - oldest if oldest is not None else 0.0
        return len(stored), sum(batch.events for batch in stored), sum(batch.size for batch in stored), age

    def __len__(self) -> int:
        """How many records are in memory."""
        with self._changed:
            return len(self._buffer) + (len(self._writing.records) if self._writing is not None else 0)

    def flush(self, timeout: float) -> bool:
        """Write everything now; return False if something is left after ``timeout`` seconds."""
        with self._changed:
            self._flushing = True
            self._changed.notify_all()
            is_written = Deadline(timeout).wait_for(self._changed, self._is_empty)
            self._flushing = False
            return is_written

    def close(self) -> list[SealedRecord]:
        """End the thread; return the records that are in no object."""
        self._worker.ask_to_stop()
        with self._changed:
            self._changed.notify_all()
        # A store that hangs keeps the thread; its object counts as not stored, and is a duplicate at worst.
        self._worker.join(_JOIN_SECONDS)
        with self._changed:
            return self._take_all()

    def _take_all(self) -> list[SealedRecord]:
        records = [*(self._writing.records if self._writing is not None else ()), *self._buffer.take_all()]
        self._writing = None
        self._changed.notify_all()
        return records

    def _is_empty(self) -> bool:
        return not self._buffer and self._writing is None

    def _run(self) -> None:
        while (pending := self._next()) is not None:
            self._write(pending)

    def _next(self) -> PendingObject | None:
        """Wait until an object is due, or return again the one whose write failed; None when closing."""
        with self._changed:
            while not self._worker.is_stopping:
                # A failed object comes before anything newer: objects are stored in the order of their records.
                if self._writing is None and (wait := self._seconds_until_due()) > 0:
                    self._changed.wait(wait)
                    continue
                if self._writing is None:
                    self._writing = self._buffer.cut(time.monotonic())
                return self._writing
            return None

    def _seconds_until_due(self) -> float:
        if not self._buffer:
            return _IDLE_SECONDS
        return 0.0 if self._flushing else self._buffer.seconds_until_due(time.monotonic())

    def _write(self, pending: PendingObject) -> None:
        try:
            self._buffer.encode(pending)
            self._store.put(pending.name, pending.data)
        except (StorageError, EncryptionError) as exc:
            self._wait_after_failure(pending, exc)
            return
        except Exception as exc:  # noqa: BLE001 - a third party's store may raise anything; the events must not wait for nothing
            error = StorageError(f"the store raised an unexpected {type(exc).__name__} (bug in the store provider)")
            self._wait_after_failure(pending, error)
            return
        with self._changed:
            # A shutdown or the sender may have taken the records back while the store was slow: they are settled
            # elsewhere then, and the object, which is there, is replayed as duplicates.
            is_ours = self._writing is pending
            self._stored[pending.name] = StoredBatch(len(pending.records), len(pending.data), time.monotonic())
            self._writing = None
            # With what is left in the buffer there may be a further one.
            if self._has_rejected and not self._buffer:
                self._has_rejected = False
                self._replay_wanted.set()
        if is_ours:
            self._ledger.stored(pending.records, name=pending.name, provider=self._provider, reason=pending.reason)
        if self._backoff.reset():
            logger.warning("the fallback store is accepting events again")
        with self._changed:
            self._changed.notify_all()

    def _wait_after_failure(self, pending: PendingObject, error: TelemetryError) -> None:
        """Let the sender take the records back while the next attempt is not due."""
        if self._backoff.is_first:
            logger.error(
                "the fallback store is not accepting events; they wait in memory and are tried again: %s", error
            )
        with self._changed:
            pending.failed = True
            self._changed.notify_all()
            Deadline(self._backoff.next()).wait_for(self._changed, lambda: self._is_retried(pending))
            if self._flushing and not self._worker.is_stopping:
                # A flush tries as often as it can in its time, but not in a busy loop.
                self._changed.wait(_FLUSH_PAUSE_SECONDS)
            pending.failed = self._writing is not pending

    def _is_retried(self, pending: PendingObject) -> bool:
        return self._worker.is_stopping or self._flushing or self._writing is not pending
