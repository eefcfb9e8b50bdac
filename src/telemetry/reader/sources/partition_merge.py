"""Merges what is fetched of several partitions into one order: that of arrival."""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Iterator, Mapping

from telemetry.reader.sources.arrangement import Fetched
from telemetry.reader.sources.fetch.fetcher import BadRange
from telemetry.reader.sources.fetch.frames import Records

WINDOW_SECONDS = 0.5
"""How long a new record of a topic that is followed waits for earlier ones of other partitions."""
CROWD_BYTES = 32 << 20
"""Bytes of records that wait, for all partitions together, before those that are ahead are held."""

_LEAST_CROWD_BYTES = 256 << 10
_RECORD_BYTES = 300
"""Memory of a record beside its key and value."""
_AHEAD_SECONDS = 300.0
"""How far a time of arrival may be ahead of the clock here; nothing has arrived later than that."""


class _Partition:
    """What was fetched of a partition and is not passed on yet."""

    __slots__ = ("at", "is_caught_up", "latest", "position", "size", "waiting")

    def __init__(self) -> None:
        # Each with its time of arrival, and the time of the clock at which it was fetched.
        self.waiting: deque[tuple[float, float, Fetched]] = deque()
        self.size = 0
        self.latest = 0.0
        self.position: int | None = None
        self.is_caught_up = False


class PartitionMerge:
    """Orders records by the time at which Kafka says that they arrived; those of one partition never swap.

    A record that says it is earlier than the one before it on its partition counts as arrived with that one, and so does
    one from the future. Equal times are ordered by partition: the same records always come in the same order.

    A partition that was read to its end keeps nothing back, apart from a short window where the topic is followed.

    Args:
        bounds: First and end offset of each partition.
        window: Seconds that a record waits for other partitions after their ends.
        crowd: Bytes of records that wait before the partitions that are ahead are held; default: ``CROWD_BYTES``.
    """

    def __init__(self, bounds: Mapping[int, tuple[int, int]], *, window: float = 0.0, crowd: int | None = None) -> None:
        self._ends = {partition: end for partition, (_, end) in bounds.items()}
        self._partitions = {partition: _Partition() for partition in sorted(bounds)}
        self._window = window
        self._most = max((CROWD_BYTES if crowd is None else crowd) // max(len(bounds), 1), _LEAST_CROWD_BYTES)
        # Times and numbers of the partitions of which something waits.
        self._heads: list[tuple[float, int]] = []
        # Those without which no record may pass: not read to their ends, and nothing of them waits.
        self._awaited: set[int] = set()
        for partition, (start, end) in bounds.items():
            if start < end:
                self._awaited.add(partition)
            else:
                self._partitions[partition].is_caught_up = True
        self._held: set[int] = set()

    def add(self, fetched: Records | BadRange) -> None:
        """Take what was fetched."""
        now, most = time.monotonic(), time.time() + _AHEAD_SECONDS
        if isinstance(fetched, BadRange):
            self._put(fetched.partition, fetched, 0.0, 0, now)
            self._advance(fetched.partition, fetched.after)
            return
        for record in fetched.records:
            partition, offset, _, timestamp, key, value, _ = record
            self._put(
                partition, record, timestamp if timestamp <= most else 0.0, len(key or b"") + len(value or b""), now
            )
            self._partitions[partition].position = offset + 1
        for partition, position in fetched.positions.items():
            self._advance(partition, position)

    def ready(self) -> Iterator[Fetched]:
        """Yield what may pass now."""
        now = time.monotonic()
        while self._heads and not self._awaited:
            partition = self._heads[0][1]
            _, fetched_at, fetched = self._partitions[partition].waiting[0]
            # Without a window, or once something of each partition waits, the earliest is known.
            is_certain = not self._window or len(self._heads) == len(self._partitions)
            if not is_certain and now - fetched_at < self._window:
                return
            self._pass(partition)
            yield fetched

    def crowded(self) -> set[int]:
        """Return the partitions of which enough waits: nothing more of them is needed for now."""
        for number, partition in self._partitions.items():
            if partition.size > self._most:
                self._held.add(number)
            elif partition.size < self._most // 2:
                self._held.discard(number)
        return self._held

    def positions(self) -> dict[int, int]:
        """Return, for each partition, the offset after the last one that was passed on."""
        positions = {}
        for number, partition in self._partitions.items():
            if partition.waiting:
                positions[number] = _first_offset(partition.waiting[0][2])
            elif partition.position is not None:
                positions[number] = partition.position
        return positions

    def _put(self, number: int, fetched: Fetched, arrived: float, size: int, now: float) -> None:
        partition = self._partitions[number]
        partition.latest = max(partition.latest, arrived)
        if not partition.waiting:
            heapq.heappush(self._heads, (partition.latest, number))
            self._awaited.discard(number)
        partition.waiting.append((partition.latest, now, fetched))
        partition.size += size + _RECORD_BYTES

    def _pass(self, number: int) -> None:
        partition = self._partitions[number]
        _, _, fetched = partition.waiting.popleft()
        size = 0 if isinstance(fetched, BadRange) else len(fetched[4] or b"") + len(fetched[5] or b"")
        partition.size -= size + _RECORD_BYTES
        if partition.waiting:
            heapq.heapreplace(self._heads, (partition.waiting[0][0], number))
            return
        heapq.heappop(self._heads)
        if not partition.is_caught_up:
            self._awaited.add(number)

    def _advance(self, number: int, position: int) -> None:
        partition = self._partitions[number]
        partition.position = max(position, partition.position or 0)
        if not partition.is_caught_up and position >= self._ends[number]:
            partition.is_caught_up = True
            self._awaited.discard(number)


def _first_offset(fetched: Fetched) -> int:
    return fetched.first if isinstance(fetched, BadRange) else fetched[1]
