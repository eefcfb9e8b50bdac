"""Runs requests for data keys in a few threads, where many keyrings ask one key service."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from itertools import count

_IDLE_SECONDS = 5.0


class FetchThreads:
    """Daemon threads that are started when there is work, ``most`` at a time, and end when there is none for a while.

    A request that waits for its moment occupies no thread: a key service that refuses the key of one stream does not keep
    the others from theirs.

    Args:
        most: How many requests may be under way.
    """

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()
        self._threads = 0
        self._idle = 0
        self._is_closed = False

    def start(self, fetch: Callable[[], object], *, after: float = 0.0) -> None:
        """Run a request in one of the threads.

        Args:
            fetch: The request; it raises nothing.
            after: Seconds until it may begin.

        Raises:
            RuntimeError: There is no thread, and none can be started.
        """
        entry = (time.monotonic() + after, next(self._numbers), fetch)
        with self._changed:
            if self._is_closed:
                return
            heapq.heappush(self._waiting, entry)
            if self._idle:
                # Always: it may be waiting for the moment of a request that is due later than this one.
                self._changed.notify()
            if len(self._waiting) <= self._idle or self._threads >= self._most:
                return
            try:
                threading.Thread(target=self._run, name="telemetry-keys", daemon=True).start()
            except RuntimeError:  # out of threads, or the interpreter ends
                if not self._threads:
                    self._waiting.remove(entry)
                    heapq.heapify(self._waiting)
                    raise
            else:
                self._threads += 1

    def close(self) -> None:
        """Forget the requests that have not begun, and let the threads end; waits for nothing."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        while (fetch := self._next()) is not None:
            fetch()
            # Its result must not be kept by a thread that waits.
            del fetch

    def _next(self) -> Callable[[], object] | None:
        with self._changed:
            idle_until = time.monotonic() + _IDLE_SECONDS
            while not self._is_closed:
                now = time.monotonic()
                if self._waiting and self._waiting[0][0] <= now:
                    return heapq.heappop(self._waiting)[2]
                if not self._waiting and now >= idle_until:
                    break
                until = self._waiting[0][0] if self._waiting else idle_until
                self._idle += 1
                self._changed.wait(until - now)
                self._idle -= 1
            self._threads -= 1
            return None
