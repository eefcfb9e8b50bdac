"""Remembers since when and why the events of a process are diverted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple


class Diverted(NamedTuple):
    """A diversion that is under way.

    Attributes:
        since: When it began, in UTC.
        reason: Why, in one word.
    """

    since: datetime
    reason: str


class DirectionWatch:
    """A ``DirectionListener``: the sender calls it, any thread reads it.

    Attributes:
        diverted: The diversion that is under way; None while events go to Kafka.
    """

    def __init__(self) -> None:
        self.diverted: Diverted | None = None

    def fallback_entered(self, reason: str) -> None:
        """Remember the beginning of a diversion."""
        self.diverted = Diverted(datetime.now(UTC), reason)

    def fallback_left(self) -> None:
        """Forget the diversion."""
        self.diverted = None
