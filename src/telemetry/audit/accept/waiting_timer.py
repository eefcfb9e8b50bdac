"""Refuses events that waited too long: one thread for all waiting lines of a pipeline."""

from __future__ import annotations

import threading
from typing import Protocol

from telemetry.system.worker import Worker

_LONGEST_PAUSE = 0.5
"""Seconds after which the timer looks again: what the first event lacks, and so its patience, may have changed."""


class ExpiringLine(Protocol):
    """A line of waiting events; an intake has one."""

    @property
    def is_waiting(self) -> bool:
        """Whether any event waits."""

    def expire(self) -> float | None:
        """Refuse the events that waited too long; return the seconds until the next one has, or None if nothing waits."""


class WaitingTimer:
    """The thread ``telemetry-waiting``, which starts with the first event that waits.

    Args:
        lock: The intakes' lock.
    """

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self._lines: dict[ExpiringLine, None] = {}
        self._worker: Worker | None = None

    def watch(self, line: ExpiringLine) -> Worker | None:
        """Watch a line in which the first event waits now; the lock is held.

        Returns:
            The thread, if the caller has to start it once it has released the lock.
        """
        self._lines[line] = None
        if self._worker is None:
            self._worker = Worker("telemetry-waiting", self._run)
            return self._worker
        self._worker.wake()
        return None

    def stop(self) -> None:
        """Have the thread end without waiting for it."""
        worker = self._worker
        if worker is not None:
            worker.ask_to_stop()

    def _run(self) -> None:
        worker = self._worker
        while worker is not None and not worker.is_stopping:
            with self._lock:
                lines = list(self._lines)
            left = [seconds for line in lines if (seconds := line.expire()) is not None]
            with self._lock:
                # An event that has begun to wait meanwhile has woken this thread, and its line stays.
                self._lines = {line: None for line in self._lines if line.is_waiting}
            worker.pause(min(_LONGEST_PAUSE, *left) if left else None)
