"""Measures how much of a time limit is left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_TICK_SECONDS = 0.2


class Deadline:
    """A moment after which waiting ends.

    Args:
        seconds: From now; negative counts as none.
        clock: Monotonic seconds.
    """

    __slots__ = ("_at", "_clock")

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock() + max(seconds, 0.0)

    @property
    def remaining(self) -> float:
        """Seconds that are left; never negative."""
        return max(self._at - self._clock(), 0.0)

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self._clock() >= self._at

    def wait_for(
        self, condition: threading.Condition, is_met: Callable[[], bool], *, tick: float = _TICK_SECONDS
    ) -> bool:
        """Wait on a condition, whose lock is held, until ``is_met`` or until the time is over.

        Args:
            condition: Notified when something changed.
            is_met: Asked after each notification, and every ``tick`` seconds: some changes notify nobody.
            tick: Seconds.

        Returns:
            Whether ``is_met`` at the end.
        """
        while not is_met():
            left = self.remaining
            if left <= 0:
                return False
            condition.wait(min(left, tick))
        return True
