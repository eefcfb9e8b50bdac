"""Keeps a fork from happening in the middle of a call to SQLite."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator

_PATIENCE = 5.0
"""Seconds a fork waits for each lock: a disk that hangs must not keep the process from forking."""


class GatedLock:
    """A lock that a fork waits for: a ``threading.Lock`` that can be referenced weakly."""

    __slots__ = ("__weakref__", "_lock", "acquire", "release")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.acquire = self._lock.acquire
        self.release = self._lock.release

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_error: object) -> None:
        self.release()


class ForkGate:
    """Locks that are all acquired before a fork, and released after it in parent and child.

    SQLite has mutexes of its own for the whole process. A thread that holds one while another thread forks does not
    exist in the child: the mutex would stay locked, and the child's first file would never open.
    """

    def __init__(self) -> None:
        self._opening = GatedLock()
        # Weak, so that a segment that was closed and forgotten does not delay a fork.
        self._locks: weakref.WeakSet[GatedLock] = weakref.WeakSet()
        self._acquired: list[GatedLock] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._close, after_in_parent=self._open, after_in_child=self._open)

    def new_lock(self) -> GatedLock:
        """Create a lock, to be held during each call to SQLite."""
        lock = GatedLock()
        self._locks.add(lock)
        return lock

    @contextlib.contextmanager
    def opening(self) -> Iterator[None]:
        """Hold the gate while a file is opened, before there is a lock for it."""
        with self._opening:
            yield

    def _close(self) -> None:
        # Runs in the forking thread, before the fork. The first lock keeps other threads from opening files meanwhile.
        acquired = [self._opening] if self._opening.acquire(timeout=_PATIENCE) else []
        self._acquired = acquired + [lock for lock in list(self._locks) if lock.acquire(timeout=_PATIENCE)]

    def _open(self) -> None:
        # Runs in the forking thread of the parent, and in the only thread of the child.
        acquired, self._acquired = self._acquired, []
        for lock in acquired:
            lock.release()
