"""Names what tells the time, so that a test can give another one, and writes a moment as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time in seconds, such as ``time.monotonic``."""

    def __call__(self) -> float:
        """Return the seconds since a moment that stays the same."""


def rfc3339(moment: datetime, *, timespec: str = "seconds") -> str:
    """Return a moment as RFC 3339 text in UTC, such as ``2026-01-31T12:00:00Z``.

    Args:
        moment: The moment, with its time zone.
        timespec: How exact, as for ``datetime.isoformat``: ``seconds``, ``microseconds``, or ``auto``.
    """
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
