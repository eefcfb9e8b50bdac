"""Takes a process's turn to replay: among all processes on a store, only the holder of its lock works."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from telemetry.format.objects.stored_name import PLAIN, Shelf
from telemetry.storage import StorageProvider
from telemetry.storage.lease import Lock

LEASE_SECONDS = 30.0


class StopSignal(Protocol):
    """Says whether a replay should end early; ``system.worker.Worker`` is one."""

    @property
    def is_stopping(self) -> bool:
        """Whether the replay should end after the current step."""

    def rest(self, seconds: float) -> bool:
        """Wait for ``seconds``, or until the replay should end; return whether it should."""


class NeverStopping:
    """The stop signal of a replay that somebody waits for."""

    is_stopping = False

    def rest(self, seconds: float) -> bool:
        """Wait for ``seconds``."""
        time.sleep(seconds)
        return False


class Turn:
    """One turn: it lasts while this process holds the lock and the replay was not asked to stop.

    Args:
        lock: The store's lock; a lease can be lost at any moment.
        stop: Says whether the replay should end early.
    """

    def __init__(self, lock: Lock, stop: StopSignal) -> None:
        self._lock = lock
        self._stop = stop

    @property
    def has_lock(self) -> bool:
        """Whether this process holds the lock right now."""
        return self._lock.is_held

    @property
    def may_go_on(self) -> bool:
        """Whether the next step may begin."""
        return self._lock.is_held and not self._stop.is_stopping

    def rest(self, seconds: float) -> None:
        """Wait for ``seconds``, or until the replay should end."""
        self._stop.rest(seconds)


@contextmanager
def take_turn(
    store: StorageProvider, *, topic: str, owner: str, stop: StopSignal, shelf: Shelf = PLAIN
) -> Iterator[Turn | None]:
    """Yield this process's turn, or None if another process replays the topic's objects now; never waits.

    Args:
        store: Store of the objects.
        topic: Topic of the objects.
        owner: Name of this process, for the operator who looks at the lock.
        stop: Says whether the replay should end early.
        shelf: The part of the store that is replayed. Each has a lock of its own: an earlier version knows the lock of the
            first alone.

    Raises:
        StorageError: The store cannot be locked now.
    """
    # One lock for each topic: services with other topics may share a store.
    with store.lock(f"{shelf.lock}{topic}", owner=owner, seconds=LEASE_SECONDS) as lock:
        yield Turn(lock, stop) if lock else None
