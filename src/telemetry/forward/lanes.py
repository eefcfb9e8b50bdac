"""Collects parcels into batches: by number, by size, and by the time that the oldest one waits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from telemetry.forward.delivery import Batch, Parcel
from telemetry.system.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """When a batch is complete.

    Attributes:
        events: At most this many events.
        size: At most this many bytes before compression, or a single larger event.
        seconds: At most this long after its first event.
        total: Bytes of all batches that wait together; with more, the largest is sent.
    """

    events: int = 500
    size: int = 1 << 20
    seconds: float = 1.0
    total: int = 64 << 20


class _Lane:
    __slots__ = ("began", "parcels", "size")

    def __init__(self, began: float) -> None:
        self.parcels: list[Parcel] = []
        self.size = 0
        self.began = began


class Lanes:
    """Batches that are being filled, one for each lane.

    Args:
        limits: When a batch is complete.
        clock: Monotonic seconds.
    """

    def __init__(self, limits: BatchLimits, *, clock: Clock = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._lanes: dict[str, _Lane] = {}
        self._size = 0

    def add(self, parcel: Parcel) -> Iterator[Batch]:
        """Add a parcel; yield the batches that are complete by it."""
        lane = self._lanes.get(parcel.lane)
        if lane is not None and lane.size + len(parcel.content) > self._limits.size:
            yield self._take(parcel.lane)
            lane = None
        if lane is None:
            lane = self._lanes[parcel.lane] = _Lane(self._clock())
        lane.parcels.append(parcel)
        lane.size += len(parcel.content)
        self._size += len(parcel.content)
        if len(lane.parcels) >= self._limits.events or lane.size >= self._limits.size:
            yield self._take(parcel.lane)
        elif self._size > self._limits.total:
            yield self._take(max(self._lanes, key=lambda name: self._lanes[name].size))

    def due(self) -> Iterator[Batch]:
        """Yield the batches that have waited long enough, the oldest first."""
        now = self._clock()
        for name in [name for name, lane in self._lanes.items() if now - lane.began >= self._limits.seconds]:
            yield self._take(name)

    def rest(self) -> Iterator[Batch]:
        """Yield all that is left."""
        for name in list(self._lanes):
            yield self._take(name)

    def seconds_to_next(self) -> float | None:
        """Return the seconds until a batch is due; None if nothing waits."""
        began = min((lane.began for lane in self._lanes.values()), default=None)
        return None if began is None else max(began + self._limits.seconds - self._clock(), 0.0)

    def _take(self, name: str) -> Batch:
        lane = self._lanes.pop(name)
        self._size -= lane.size
        return lane.parcels
