"""Remembers whether the spool's disk accepts commits, and when to try it again."""

from __future__ import annotations

import logging
import time

from telemetry.system.deadline import Deadline

logger = logging.getLogger("telemetry.spool")

_RETRY_SECONDS = 1.0


class DiskState:
    """Working, or broken since a moment; the spool thread changes it, and any thread may ask it.

    A broken disk is tried once a second, not at every batch: a failing commit may take long, and events wait for it.

    Attributes:
        busy_since: Since when the disk works on a commit, in monotonic seconds; None while it does not.
    """

    def __init__(self) -> None:
        self._broken_since: float | None = None
        self._patience = Deadline(0.0)
        self.busy_since: float | None = None

    @property
    def is_broken(self) -> bool:
        """Whether the last commit failed."""
        return self._broken_since is not None

    @property
    def may_try(self) -> bool:
        """Whether a commit is worth trying now."""
        return self._broken_since is None or self._patience.is_over

    def note_begun(self) -> None:
        """Record that a commit begins."""
        self.busy_since = time.monotonic()

    def note_failure(self, error: Exception) -> None:
        """Record that a commit failed; the first one in a row is logged."""
        # From the end of the failed commit on: one that hung for long is not tried again at once.
        self._patience = Deadline(_RETRY_SECONDS)
        self.busy_since = None
        if self._broken_since is None:
            self._broken_since = time.monotonic()
            logger.error("the spool rejects writes, events are not durable until they are delivered: %s", error)

    def note_success(self) -> None:
        """Record that a commit succeeded."""
        self.busy_since = None
        if self._broken_since is not None:
            logger.warning("the spool accepts writes again after %.0f s", time.monotonic() - self._broken_since)
            self._broken_since = None
