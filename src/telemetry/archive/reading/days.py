"""Says which days of an archive can have the events of a range of time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

_MARGIN = timedelta(hours=1, minutes=5)
"""The checkpoint that proves an event is at most an hour after it; clocks differ by some minutes."""


class DayRange(NamedTuple):
    """Days of an archive.

    Attributes:
        first: The first; None for no beginning.
        last: The last; None for no end.
    """

    first: date | None = None
    last: date | None = None

    @classmethod
    def of_times(cls, since: str = "", until: str = "") -> DayRange:
        """Return the days that can have the events of a range of time, and the checkpoints that prove them.

        Args:
            since: Earliest time of logging, RFC 3339; empty for the beginning.
            until: Latest one; empty for no end.
        """
        first = (_parsed(since) - _MARGIN).date() if since else None
        return cls(first, (_parsed(until) + _MARGIN).date() if until else None)

    def has(self, day: str) -> bool:
        """Return whether a day is among them.

        Args:
            day: The day, as seals write it: ``2026-11-29``.
        """
        is_before = self.first is not None and day < self.first.isoformat()
        return not is_before and (self.last is None or day <= self.last.isoformat())


def _parsed(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    try:
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return moment.replace(tzinfo=UTC)
