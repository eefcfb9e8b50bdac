"""Finds by halving the records that Kafka refuses: a refusal concerns a whole batch, and does not say which record it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from telemetry.audit.record import SealedRecord


class Halving:
    """Yields parts of some records, the oldest first; a part that is refused comes again as halves.

    What is accepted keeps its order, because no part is yielded before those with older records are accepted or refused.

    Args:
        records: The records, in order.

    Attributes:
        refused: The records that were refused alone, in order.
    """

    def __init__(self, records: Sequence[SealedRecord]) -> None:
        self.refused: list[SealedRecord] = []
        # The stack's top is the part with the oldest records.
        self._parts = [list(records)]

    def __iter__(self) -> Iterator[list[SealedRecord]]:
        """Yield the parts."""
        while self._parts:
            yield self._parts.pop()

    def refuse(self, part: list[SealedRecord]) -> None:
        """Yield a refused part again in halves; a single record is found."""
        if len(part) > 1:
            middle = len(part) // 2
            self._parts += [part[middle:], part[:middle]]
        else:
            self.refused += part

    def rest(self) -> list[SealedRecord]:
        """Return the records that were not yielded yet, in order."""
        return [record for part in reversed(self._parts) for record in part]
