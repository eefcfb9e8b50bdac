"""Decides how long a partition is read carefully after a batch that could not be read."""

from __future__ import annotations

import time

_FIRST_PATIENCE, _MOST_PATIENCE = 32, 4_096
"""Good batches in a row after which a partition is no longer read carefully; doubled each time that was too early."""

_LOOK_SECONDS = 0.5
"""How often the end of a partition that waits is looked at."""


class Guard:
    """How careful the reading of one partition has to be.

    Attributes:
        is_waiting: Whether what comes next is read carefully, and not with the other partitions: it was read to its
            present end, or nothing of it is wanted for now.
    """

    def __init__(self) -> None:
        self.is_waiting = False
        self._patience = _FIRST_PATIENCE
        self._good = 0
        self._looked_at = 0.0

    @property
    def left(self) -> int:
        """Good batches that are to come before care ends; 0 when it has ended."""
        return max(self._patience - self._good, 0)

    def is_due(self) -> bool:
        """Return whether it waits, and it is time to look for something new."""
        now = time.monotonic()
        if not self.is_waiting or now - self._looked_at < _LOOK_SECONDS:
            return False
        self._looked_at = now
        return True

    def stop_waiting(self) -> None:
        """Read on; if that ends at once, it is time to look again."""
        self.is_waiting, self._looked_at = False, 0.0

    def begin(self) -> None:
        """Start counting: a batch could not be read although nothing was expected."""
        self._good = 0

    def count(self, batches: int, *, faults: int) -> None:
        """Count batches that were read; those before a fault do not count."""
        self._good = 0 if faults else self._good + batches

    def prolong(self) -> None:
        """Be careful for longer the next time."""
        self._patience = min(2 * self._patience, _MOST_PATIENCE)
