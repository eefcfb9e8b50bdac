"""Keeps the captures of a process: while there is one, every ``Telemetry`` puts its events there and sends nothing."""

from __future__ import annotations

import threading
import weakref
from typing import Protocol

from telemetry.audit.local.event_memory import EventMemory
from telemetry.format.value.event import AuditEvent


class CaptureFollower(Protocol):
    """Must know when events begin or cease to be captured; the runtime is one."""

    def capture_changed(self) -> None:
        """Choose again where events go."""


class Captures:
    """The captures that are active: each of them gets every event.

    An event goes to the captures of any thread, because the code under test may log in threads of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Replaced as a whole, so that `log()` reads it without the lock.
        self._active: tuple[EventMemory, ...] = ()
        self._followers: weakref.WeakSet[CaptureFollower] = weakref.WeakSet()

    @property
    def is_active(self) -> bool:
        """Whether events are captured now."""
        return bool(self._active)

    def follow(self, follower: CaptureFollower) -> None:
        """Tell an object of each change, for as long as it lives."""
        with self._lock:
            self._followers.add(follower)

    def begin(self, memory: EventMemory) -> None:
        """Capture events into this memory."""
        with self._lock:
            self._active = (*self._active, memory)
            followers = list(self._followers)
        _tell(followers)

    def end(self, memory: EventMemory) -> None:
        """Capture no further event into this memory."""
        with self._lock:
            self._active = tuple(other for other in self._active if other is not memory)
            followers = list(self._followers)
        _tell(followers)

    def add(self, event: AuditEvent, *, size: int) -> None:
        """Put an event into each of them."""
        for memory in self._active:
            memory.add(event, size=size)

    def renew_after_fork(self) -> None:
        """Replace the locks, which threads of the parent may have held at the moment of the fork."""
        self._lock = threading.Lock()
        for memory in self._active:
            memory.renew_after_fork()


def _tell(followers: list[CaptureFollower]) -> None:
    # Without the lock of the captures: a follower takes its own, which another thread may have until a start has ended.
    for follower in followers:
        follower.capture_changed()


captures = Captures()
