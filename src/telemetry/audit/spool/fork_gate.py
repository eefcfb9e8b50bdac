"""Keeps a fork from happening in the middle of a call to SQLite."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator

_PATIENCE = 5.0


class GatedLock:
    """A lock that a fork waits for; as ``threading.Lock``, and it can be held weakly."""

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
    """Locks that are all taken before a fork, and given back after it in parent and child.

    SQLite has mutexes of its own for the whole process. A thread that holds one while another thread forks is not
    there in the child: the mutex would stay locked, and the child's first file would never open.
    """

    def __init__(self) -> None:
        self._opening = GatedLock()
        self._locks: weakref.WeakSet[GatedLock] = weakref.WeakSet()
        self._held: list[GatedLock] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._close, after_in_parent=self._open, after_in_child=self._open)

    def lock(self) -> GatedLock:
        """Return a new lock, to be held during each call to SQLite."""
        made = GatedLock()
        self._locks.add(made)
        return made

    @contextlib.contextmanager
    def opening(self) -> Iterator[None]:
        """Hold the gate while a file is opened, before there is a lock for it."""
        with self._opening:
            yield

    def _close(self) -> None:
        # A disk that hangs must not keep the process from forking. The first lock keeps others from making more.
        held = [self._opening] if self._opening.acquire(timeout=_PATIENCE) else []
        self._held = held + [lock for lock in list(self._locks) if lock.acquire(timeout=_PATIENCE)]

    def _open(self) -> None:
        held, self._held = self._held, []
        for lock in held:
            lock.release()
