"""Counts how long sealing takes, over all streams of a pipeline."""

from __future__ import annotations

import threading


class SealTimes:
    """Seconds of sealing since they were last asked for; the intakes of a pipeline share it.

    Args:
        lock: The intakes' lock, which :meth:`add` is called with.
    """

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self._seconds = 0.0
        self._events = 0

    def add(self, seconds: float) -> None:
        """Count an event; the lock is held."""
        self._seconds += seconds
        self._events += 1

    def take_seal_time(self) -> tuple[float, int]:
        """Return the seconds spent on sealing, of every eighth event since the last call, and how many those are."""
        with self._lock:
            taken = self._seconds, self._events
            self._seconds, self._events = 0.0, 0
        return taken
