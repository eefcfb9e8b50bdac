"""Finds the events that arrived last, by reading the trail from its end."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import count as numbers
from typing import Protocol

from telemetry.exceptions import WrapNotSeenError
from telemetry.reader import DamagedRecord, Entry, OpenedEvent

MARGIN = 64
"""Records beyond the wanted number that are read of each partition at first: checkpoints are among them."""

_MAX_PARTITIONS = 10_000


class EntryObserver(Protocol):
    """Sees the entries of a trail whose end is read, perhaps several times."""

    def restart(self) -> None:
        """Forget what was seen: the trail is read from further back."""

    def event(self, entry: Entry) -> OpenedEvent | None:
        """See an entry; return it if it is an event."""


class NoObserver:
    """Looks at the events alone."""

    def restart(self) -> None:
        """Forget nothing."""

    def event(self, entry: Entry) -> OpenedEvent | None:
        """Return an event."""
        return entry if isinstance(entry, OpenedEvent) else None


class LastEvents:
    """Keeps the events that arrived last, in the order of their arrival.

    A record on a topic arrived at Kafka's time for it, and never before the one ahead of it on its partition. One that is
    on no topic yet counts from its own time.

    Args:
        most: How many are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[tuple[float, int, OpenedEvent]] = []
        self._numbers = numbers()
        self._latest: dict[tuple[str, int], float] = {}
        self._lacks_wraps = False

    def read(self, entries: Iterable[Entry], observer: EntryObserver) -> None:
        """Read entries."""
        for entry in entries:
            opened = observer.event(entry)
            if opened is not None:
                self._add(opened)
            elif isinstance(entry, DamagedRecord) and isinstance(entry.error, WrapNotSeenError):
                self._lacks_wraps = True

    def are_complete(self, since: float) -> bool:
        """Return whether what is before the time cannot be among the last events.

        Args:
            since: Time from which on every record was read, in seconds since the epoch.
        """
        return not self._lacks_wraps and len(self._kept) == self._most and self._kept[0][0] >= since

    def __iter__(self) -> Iterator[OpenedEvent]:
        """Yield the events, the earliest first."""
        return (opened for _, _, opened in sorted(self._kept, key=lambda kept: kept[:2]))

    def _add(self, opened: OpenedEvent) -> None:
        kept = (self._arrived(opened), next(self._numbers), opened)
        if len(self._kept) < self._most:
            heapq.heappush(self._kept, kept)
        else:
            heapq.heappushpop(self._kept, kept)

    def _arrived(self, opened: OpenedEvent) -> float:
        arrived, place = opened.raw.timestamp, opened.place
        if arrived is None:
            return _seconds(opened.event.time)
        if place.partition is None:
            return arrived
        stream = place.source, place.partition
        arrived = max(arrived, self._latest.get(stream, arrived))
        # A topic has fewer; a file may claim any number.
        if stream in self._latest or len(self._latest) < _MAX_PARTITIONS:
            self._latest[stream] = arrived
        return arrived


def _seconds(time: str) -> float:
    try:
        return datetime.fromisoformat(time).timestamp()
    except (ValueError, OverflowError):
        return 0.0
