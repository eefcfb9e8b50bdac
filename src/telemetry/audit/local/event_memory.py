"""Keeps events in memory, within bounds: the oldest are dropped and counted."""

from __future__ import annotations

import os
import threading
from collections import deque

from telemetry.format.value.event import AuditEvent

MAX_EVENTS = 10_000
MAX_BYTES = 32 << 20


class EventMemory:
    """Events of this process in the order in which they were logged; any thread may use it.

    Args:
        max_events: Most events; None for any number.
        max_bytes: Most bytes of their JSON; the last event is kept whatever its size. None for any number.
    """

    def __init__(self, *, max_events: int | None = MAX_EVENTS, max_bytes: int | None = MAX_BYTES) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._events: deque[tuple[AuditEvent, int]] = deque()
        self._bytes = 0
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._events)

    @property
    def dropped(self) -> int:
        """How many events were dropped because the memory was full, since it was last cleared."""
        return self._dropped

    def add(self, event: AuditEvent, *, size: int) -> None:
        """Keep an event; drop the oldest ones if there is no room for all."""
        with self._lock:
            self._events.append((event, size))
            self._bytes += size
            while len(self._events) > 1 and self._is_too_full():
                self._bytes -= self._events.popleft()[1]
                self._dropped += 1

    def events(self) -> list[AuditEvent]:
        """Return the events that are kept, oldest first."""
        with self._lock:
            return [event for event, _ in self._events]

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._events.clear()
            self._bytes = self._dropped = 0

    def renew_after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may have held at the moment of the fork."""
        self._lock = threading.Lock()

    def _is_too_full(self) -> bool:
        too_many = self._max_events is not None and len(self._events) > self._max_events
        return too_many or (self._max_bytes is not None and self._bytes > self._max_bytes)


_of_process: dict[int, EventMemory] = {}


def memory_of_process() -> EventMemory:
    """Return what ``kafka_brokers="memory:"`` keeps in this process; a forked child begins with nothing."""
    # One step, so no lock is needed, which another thread might hold at the moment of a fork.
    return _of_process.setdefault(os.getpid(), EventMemory())
