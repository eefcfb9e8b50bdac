"""Batches sealed records until they are large enough or old enough to send."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from telemetry.audit.record import SealedRecord
from telemetry.system.deadline import Deadline

_SHORTEST_WAIT_SECONDS = 0.0005


class AuditBatcher:
    """Collects sealed records and returns them as one list when either bound is reached.

    Under load a batch has everything that came in while the sender was busy, so it grows by itself.

    Callers of ``log()``, or the spool thread, add; the sender takes. A thread is notified only if it sleeps, because that
    costs a system call.

    Args:
        lock: The caller of :meth:`add` must hold it; shared with the intake so that an event takes one lock only.
        max_bytes: A batch of this size is ready.
        max_delay: A batch whose first record waited this many seconds is ready.
        clock: Monotonic seconds.

    Attributes:
        window: How many bytes may be with Kafka's client and not acknowledged before the next batch is taken; None without
            such a bound.
    """

    window: int | None = None

    def __init__(
        self,
        *,
        lock: threading.Lock,
        max_bytes: int,
        max_delay: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._changed = threading.Condition(lock)
        self._max_bytes = max_bytes
        self._max_delay = max_delay
        self._clock = clock
        self._records: list[SealedRecord] = []
        self._bytes = 0
        self._opened_at = 0.0
        self._asleep = False
        self._woken = False

    def __len__(self) -> int:
        return len(self._records)

    @property
    def oldest(self) -> float | None:
        """When the oldest record came in, by ``clock``; None while there is none."""
        return self._opened_at if self._records else None

    def add(self, record: SealedRecord) -> None:
        """Append a record; the lock is held."""
        records = self._records
        if not records:
            self._opened_at = self._clock()
        records.append(record)
        self._bytes += record.size
        # The first record shortens the sleep of the sender to the age of a batch; the one that fills the batch ends it.
        if self._asleep and (len(records) == 1 or self._bytes >= self._max_bytes):
            self._asleep = False
            self._changed.notify()

    def extend(self, records: Sequence[SealedRecord]) -> None:
        """Append records; acquires the lock."""
        if not records:
            return
        with self._changed:
            self.add(records[0])
            self._records += records[1:]
            self._bytes += sum(record.size for record in records) - records[0].size
            if self._asleep and self._bytes >= self._max_bytes:
                self._asleep = False
                self._changed.notify()

    def wake(self) -> None:
        """Have a waiting :meth:`take` return at once; acquires the lock."""
        with self._changed:
            self._woken = True
            self._asleep = False
            self._changed.notify()

    def take(self, timeout: float) -> list[SealedRecord]:
        """Wait for a batch.

        Args:
            timeout: Longest wait in seconds.

        Returns:
            The records of the batch in order; an empty list after ``timeout`` or :meth:`wake`, unless a batch is ready
            by then.
        """
        deadline = Deadline(timeout, clock=self._clock)
        with self._changed:
            while not self._ready() and not self._woken:
                wait = self._until_ready(deadline)
                if wait <= 0:
                    break
                self._asleep = True
                self._changed.wait(wait)
                self._asleep = False
            self._woken = False
            return self._swap() if self._ready() else []

    def take_all(self) -> list[SealedRecord]:
        """Return every record at once, however few; acquires the lock."""
        with self._changed:
            return self._swap()

    def _ready(self) -> bool:
        if not self._has_records():
            return False
        return self._bytes >= self._max_bytes or self._clock() >= self._opened_at + self._max_delay

    def _until_ready(self, deadline: Deadline) -> float:
        wait = deadline.remaining
        if self._has_records():
            # A little more than nothing: a wait that ends a moment too early must not become a busy loop.
            wait = min(wait, max(self._opened_at + self._max_delay - self._clock(), _SHORTEST_WAIT_SECONDS))
        return wait

    def _has_records(self) -> bool:
        return bool(self._records)

    def _swap(self) -> list[SealedRecord]:
        records, self._records = self._records, []
        self._bytes = 0
        return records
