"""Draws batches from the streams in turn, so that none of them is behind another one's flood."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.batcher import AuditBatcher
from telemetry.system.clock import Clock

_TURN_BYTES = 16 << 10
_BATCH_BYTES = 512 << 10
_WINDOW_BYTES = 2 << 20


class Lane:
    """The records of one stream that wait to be sent; the lock of the intakes protects it.

    Args:
        batcher: Draws from it.
    """

    def __init__(self, batcher: FairBatcher) -> None:
        self._batcher = batcher
        self._credit = 0
        self._records: deque[SealedRecord] = deque()
        self.opened_at = 0.0

    def add(self, record: SealedRecord) -> None:
        """Append a record; the lock is held."""
        records = self._records
        if not records:
            self._batcher.open_lane(self)
        records.append(record)
        self._batcher.note_added(1, record.size)

    def extend(self, records: Sequence[SealedRecord]) -> None:
        """Append records; acquires the lock."""
        self._batcher.extend_lane(self, records)

    def append_all(self, records: Sequence[SealedRecord]) -> int:
        """Append records, at least one; the lock is held. Return their bytes."""
        if not self._records:
            self._batcher.open_lane(self)
        self._records.extend(records)
        return sum(record.size for record in records)

    def draw(self, batch: list[SealedRecord], *, is_alone: bool, most: int) -> int:
        """Move records to a batch: those of one turn, or ``most`` bytes where no other lane has any.

        A turn is worth some bytes; what a large record lacks is saved up (deficit round robin; Shreedhar and Varghese,
        1995). The lock is held.

        Returns:
            The bytes that were moved.
        """
        self._credit = most if is_alone else self._credit + _TURN_BYTES
        records, drawn = self._records, 0
        # Alone, a record larger than the batch is drawn too.
        while records and (records[0].size <= self._credit or (is_alone and not batch)):
            record = records.popleft()
            batch.append(record)
            self._credit -= record.size
            drawn += record.size
        if not records or is_alone:
            self._credit = 0
        return drawn

    def draw_all(self, batch: list[SealedRecord]) -> None:
        """Move every record to a batch; the lock is held."""
        batch += self._records
        self._records.clear()
        self._credit = 0

    def __len__(self) -> int:
        return len(self._records)


class FairBatcher(AuditBatcher):
    """A batcher with a lane for each stream.

    A batch is bounded, and so is what Kafka's client has and has not acknowledged (:attr:`window`): an event that comes into
    an empty lane is in the next batch, after no more than that.

    Args:
        lock: The caller of :meth:`Lane.add` must hold it.
        max_bytes: A batch of this size is ready.
        max_delay: A batch whose first record waited this many seconds is ready.
        clock: Monotonic seconds.
    """

    window = _WINDOW_BYTES

    def __init__(
        self,
        *,
        lock: threading.Lock,
        max_bytes: int,
        max_delay: float,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(lock=lock, max_bytes=max_bytes, max_delay=max_delay, clock=clock)
        self._by_producer: dict[str, Lane] = {}
        # Those that have records, in the order of their turns.
        self._lanes: deque[Lane] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def oldest(self) -> float | None:
        """When the oldest record came in, by ``clock``; None while there is none."""
        return self._opened_at if self._count else None

    def lane(self, producer: str) -> Lane:
        """Return the lane of a stream."""
        return self._by_producer.setdefault(producer, Lane(self))

    def remove_lane(self, producer: str) -> None:
        """Forget the lane of a stream that has ended; nothing is in it."""
        self._by_producer.pop(producer, None)

    def add(self, record: SealedRecord) -> None:
        """Append a record to the lane of its stream; the lock is held."""
        self.lane(record.producer).add(record)

    def extend(self, records: Sequence[SealedRecord]) -> None:
        """Append records to the lanes of their streams; acquires the lock."""
        for producer, group in groupby(records, key=attrgetter("producer")):
            self.lane(producer).extend(list(group))

    def open_lane(self, lane: Lane) -> None:
        """Give a lane its turns, now that it has a record; the lock is held."""
        lane.opened_at = self._clock()
        if not self._lanes:
            self._opened_at = lane.opened_at
        self._lanes.append(lane)

    def note_added(self, count: int, size: int) -> None:
        """Count records that were appended to a lane, and wake the sender if it has something to do; the lock is held."""
        self._count += count
        self._bytes += size
        if self._asleep and (self._count == count or self._bytes >= self._max_bytes):
            self._asleep = False
            self._changed.notify()

    def extend_lane(self, lane: Lane, records: Sequence[SealedRecord]) -> None:
        """Append records to a lane; acquires the lock."""
        if records:
            with self._changed:
                self.note_added(len(records), lane.append_all(records))

    def take_all(self) -> list[SealedRecord]:
        """Return every record at once, each lane's in order; acquires the lock."""
        batch: list[SealedRecord] = []
        with self._changed:
            while self._lanes:
                self._lanes.popleft().draw_all(batch)
            self._count = self._bytes = 0
        return batch

    def _has_records(self) -> bool:
        return self._count > 0

    def _swap(self) -> list[SealedRecord]:
        batch: list[SealedRecord] = []
        lanes, left = self._lanes, _BATCH_BYTES
        now = self._clock()
        while lanes and left > 0:
            lane = lanes.popleft()
            is_alone = not lanes
            drawn = lane.draw(batch, is_alone=is_alone, most=left)
            left -= drawn
            if lane:
                # What is left begins a new wait.
                lane.opened_at = now
                lanes.append(lane)
            if is_alone and not drawn:
                break  # its next record is larger than what is left of this batch, and begins the next one
        self._count -= len(batch)
        self._bytes -= _BATCH_BYTES - left
        self._opened_at = min((lane.opened_at for lane in lanes), default=now)
        return batch
