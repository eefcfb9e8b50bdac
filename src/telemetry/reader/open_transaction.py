"""Describes a transaction that was begun on a topic and not ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple


class OpenTransaction(NamedTuple):
    """A transaction that holds back a partition's last stable offset.

    This library never uses transactions. A reader of Kafka that waits for their ends, as many do, sees nothing of what
    came after ``offset``; the readers of this library do.

    Attributes:
        topic: The topic.
        partition: Number of the partition.
        offset: The last stable offset: the first record of the oldest open transaction.
        end: The high watermark, one more than the last offset.
        since: When that record was appended, in seconds since the epoch; None where the broker does not say.
    """

    topic: str
    partition: int
    offset: int
    end: int
    since: float | None

    def age(self, now: float | None) -> float | None:
        """Return for how many seconds it has been open; None where that is not known."""
        return None if self.since is None or now is None else max(now - self.since, 0.0)

    def describe(self, now: float | None) -> str:
        """Return a sentence about it, for people.

        Args:
            now: The present time in seconds since the epoch; None leaves the age out.
        """
        age = self.age(now)
        how_long = "for an unknown time" if age is None else f"for {timedelta(seconds=round(age))}"
        begun = "" if self.since is None else f", since {datetime.fromtimestamp(self.since, UTC):%Y-%m-%dT%H:%M:%SZ}"
        return (
            f"{self.topic}[{self.partition}]: the last stable offset {self.offset} is below the end {self.end}: "
            f"a transaction is open {how_long}{begun}; it hides {self.end - self.offset} offsets from readers of "
            "committed records, not from this one"
        )
