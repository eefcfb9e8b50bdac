"""Says how long to wait before the next try: longer each time, never twice the same."""

from __future__ import annotations

import random
from collections.abc import Callable

_MAX_DOUBLINGS = 32


class Backoff:
    """Exponential waiting times with jitter, so that processes that failed together do not come back together.

    Args:
        first: Upper bound of the first wait, in seconds.
        longest: Upper bound of every wait.
        uniform: Source of jitter: returns a number between its two arguments.
    """

    def __init__(
        self, *, first: float, longest: float, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._first = first
        self._longest = longest
        self._uniform = uniform
        self._tries = 0

    @property
    def is_first(self) -> bool:
        """Whether nothing failed since the last :meth:`reset`."""
        return self._tries == 0

    def next(self) -> float:
        """Return the next wait in seconds, at least half of its bound."""
        # The exponent is bounded too: after a month of failures it would not fit a float.
        bound = min(self._longest, self._first * 2 ** min(self._tries, _MAX_DOUBLINGS))
        self._tries += 1
        return self._uniform(bound / 2, bound)

    def reset(self) -> bool:
        """Begin again with the first wait; return whether something had failed."""
        failed, self._tries = self._tries > 0, 0
        return failed
