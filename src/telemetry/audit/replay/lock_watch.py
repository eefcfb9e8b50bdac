"""Notices a lock of the replay that another process has for long without replaying anything."""

from __future__ import annotations

import logging
from typing import NamedTuple

from telemetry.audit.replay.turn import LEASE_SECONDS
from telemetry.format.objects.stored_name import Shelf

logger = logging.getLogger("telemetry.replay")

PATIENCE_SECONDS = 10 * LEASE_SECONDS


class _Wait(NamedTuple):
    since: float
    oldest: str | None
    is_reported: bool


class LockWatch:
    """Reports, once, that another process keeps a lock while the oldest object stays the same.

    A holder that replays a large backlog deletes the oldest object all the time. One that does not is stuck, or is no
    process of this service at all: the lock of a store is an object that anyone with the right to write there can create.

    Args:
        topic: Topic of the objects, for the log line.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._waits: dict[Shelf, _Wait] = {}
        self._longest = 0.0

    @property
    def waiting_seconds(self) -> float:
        """For how long there has been no progress."""
        return self._longest

    def had_turn(self, shelf: Shelf) -> None:
        """Record that this process got the lock, or has no use for it."""
        self._waits.pop(shelf, None)
        self._longest = 0.0

    def had_no_turn(self, shelf: Shelf, *, oldest: str | None, now: float) -> None:
        """Record that another process has the lock.

        Args:
            shelf: The part of the store.
            oldest: Name of the oldest object on it.
            now: Monotonic seconds.
        """
        wait = self._waits.get(shelf)
        if wait is None or wait.oldest != oldest:
            self._waits[shelf] = _Wait(now, oldest, is_reported=False)
            return
        self._longest = now - wait.since
        if self._longest <= PATIENCE_SECONDS or wait.is_reported:
            return
        self._waits[shelf] = wait._replace(is_reported=True)
        logger.error(
            "another process has had the lock %s%s for %.0f s and replays nothing: the stored events wait; see who holds it, "
            "and delete the objects below locks/ of the store if nobody does",
            shelf.lock,
            self._topic,
            self._longest,
        )
