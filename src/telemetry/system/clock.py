"""Names what tells the time, so that a test can give another one."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Tells the time in seconds, such as ``time.monotonic``."""

    def __call__(self) -> float:
        """Return the seconds since a moment that stays the same."""
