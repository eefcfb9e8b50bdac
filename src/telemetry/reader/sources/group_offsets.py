"""Commits for a consumer group the offsets up to which every record was handed on and used."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from telemetry.reader.entry import DamagedRecord, Place, RawRecord
from telemetry.system.clock import Clock

_SOON_SECONDS = 0.1
"""Least time between two commits, where nothing is outstanding."""
_LATEST_SECONDS = 1.0
"""Time after which offsets are committed although records are outstanding."""


class Committer(Protocol):
    """Commits offsets for a consumer group."""

    def commit(self, offsets: Mapping[int, int], *, waits: bool = False) -> None:
        """Commit offsets.

        Args:
            offsets: Offset after the last record, by partition.
            waits: Whether to wait for Kafka's answer.

        Raises:
            TransportError: Kafka refuses, or does not answer; only if it waits.
        """


class GroupOffsets:
    """Says how far a consumer group has come.

    A record counts when the next one is asked for; or, once :meth:`await_done` was called, when its entry is reported as
    used, in whatever order that happens. A reader may keep records back, until a checkpoint proves them or their data key can be asked for. Those, and what
    follows them in their partition, are read again if the reader ends before they are used.

    Args:
        committer: Commits the offsets.
        clock: Monotonic seconds.
    """

    def __init__(self, committer: Committer, *, clock: Clock = time.monotonic) -> None:
        self._committer = committer
        self._clock = clock
        # A thread may read the source while another one uses its entries.
        self._lock = threading.Lock()
        # By partition, in the order of the offsets.
        self._outstanding: dict[int, dict[int, None]] = {}
        self._count = 0
        self._reached: dict[int, int] = {}
        self._committed: dict[int, int] = {}
        self._committed_at = clock()
        self._is_reported = False

    def await_done(self) -> None:
        """From now on, count a record when :meth:`done` is called."""
        self._is_reported = True

    def begin(self, starts: Mapping[int, int]) -> None:
        """Commit where the reading begins, also in partitions of which nothing may be read for long.

        Otherwise a group that starts at a time would look for that time anew at its next start, and skip records.

        Raises:
            TransportError: The group may not commit, or Kafka cannot be reached.
        """
        with self._lock:
            self._outstanding = {partition: {} for partition in starts}
            self._count = 0
            self._reached = dict(starts)
            self._committed = dict(starts)
        self._committer.commit(starts, waits=True)

    def watch(self, records: Iterable[RawRecord | DamagedRecord]) -> Iterator[RawRecord | DamagedRecord]:
        """Yield records, and remember them until they are done; those of one partition come in order."""
        for record in records:
            place = record.place
            with self._lock:
                self._outstanding[place.partition or 0][place.offset] = None
                self._count += 1
                self._reached[place.partition or 0] = place.offset + 1
            yield record
            if not self._is_reported:
                self.done(place)

    def reached(self, positions: Mapping[int, int]) -> None:
        """Note that every record before these offsets was yielded.

        Args:
            positions: Offset after the last record, by partition; it may have been one that no reader sees.
        """
        with self._lock:
            for partition, position in positions.items():
                self._reached[partition] = max(position, self._reached[partition])
            self._commit_when_due()

    def positions(self) -> dict[int, int]:
        """Return the offset after the last record that was yielded, by partition."""
        with self._lock:
            return dict(self._reached)

    def done(self, place: Place) -> None:
        """Note that the entry of a record was used.

        Args:
            place: Place of the record on the topic.
        """
        with self._lock:
            outstanding = self._outstanding.get(place.partition or 0, {})
            if place.offset in outstanding:
                del outstanding[place.offset]
                self._count -= 1
                self._commit_when_due()

    def end(self) -> None:
        """Commit what is done."""
        with self._lock:
            self._commit()

    def _commit_when_due(self) -> None:
        pause = _LATEST_SECONDS if self._count else _SOON_SECONDS
        if self._clock() - self._committed_at >= pause:
            self._commit()

    def _commit(self) -> None:
        offsets = {partition: self._position(partition) for partition in self._reached}
        new = {partition: offset for partition, offset in offsets.items() if offset > self._committed[partition]}
        self._committed_at = self._clock()
        if new:
            self._committer.commit(new)
            self._committed.update(new)

    def _position(self, partition: int) -> int:
        """Return the first offset of a partition that is not done."""
        return next(iter(self._outstanding[partition]), self._reached[partition])
