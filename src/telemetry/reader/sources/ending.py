"""Reads the end of a topic: the last records of each partition, and from when on none is absent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

from telemetry.reader.entry import RawRecord, SourceRecord


class Ending:
    """The last records of each partition.

    The partitions are cut at a number of records, not at a time. So what arrived before the latest of the first records
    may be incomplete: :attr:`complete_since` says from when on it is not.

    Args:
        records: The records, in the order of their arrival.
        cut: Partitions that have earlier records in the range.

    Attributes:
        cut: The same.
    """

    def __init__(self, records: Iterable[SourceRecord], *, cut: Iterable[int]) -> None:
        self._records = records
        self.cut = frozenset(cut)
        self._unknown = set(self.cut)
        self._since = -math.inf

    def __iter__(self) -> Iterator[SourceRecord]:
        """Yield the records."""
        for record in self._records:
            partition = record.place.partition
            if partition in self._unknown and isinstance(record, RawRecord) and record.timestamp is not None:
                self._unknown.discard(partition)
                self._since = max(self._since, record.timestamp)
            yield record

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the range is left out."""
        return not self.cut

    @property
    def complete_since(self) -> float:
        """The time since which every record was read, in seconds since the epoch; infinite where it is not known."""
        return math.inf if self._unknown else self._since


@runtime_checkable
class EndingSource(Protocol):
    """A source whose end can be read without what is before it."""

    def ending(self, count: int) -> Ending:
        """Return the last records of each partition.

        Args:
            count: Number of records of each partition, at least 1.
        """
