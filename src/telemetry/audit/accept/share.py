"""Divides the room of a pipeline among the streams that share it."""

from __future__ import annotations

import math

from telemetry.audit.accept.room import Room


class Share:
    """What one stream uses of a room, and how much that may be.

    The bound follows what is free (dynamic thresholds; Choudhury and Hahne, 1998): a stream may use ``max_share / (1 -
    max_share)`` times as much as is free at the moment. One stream alone comes to ``max_share`` of the room; of several
    that want more, each gets an equal part, and there is always room left for the first event of another one.

    The intakes' lock protects it.

    Args:
        room: The room.
        max_share: Part of the room that the stream may use while no other one uses any, above 0 and up to 1.

    Attributes:
        events: Events of the stream that are accepted and not settled.
        bytes: Their sealed size.
    """

    def __init__(self, room: Room, *, max_share: float) -> None:
        self._room = room
        self._max_share = max_share
        self._factor = max_share / (1 - max_share) if max_share < 1 else math.inf
        self.events = 0
        self.bytes = 0

    @property
    def fill(self) -> float:
        """How much is used of what may be, while no other stream uses any: from 0 to 1, in events or in bytes."""
        return min(self._room.part_of(self.events, self.bytes) / self._max_share, 1.0)

    def fits(self, plain_bytes: int) -> bool:
        """Return whether an event of this size before sealing may be accepted now; the lock is held."""
        room = self._room
        if not room.fits(plain_bytes):
            return False
        # Of a stream that uses nothing there is no need to ask: one event is always its share.
        return not self.events or (
            self.events < self._factor * room.free_events and self.bytes < self._factor * room.free_bytes
        )

    def take(self, size: int) -> None:
        """Count an event that was accepted; the lock is held."""
        self.events += 1
        self.bytes += size

    def give_back(self, events: int, size: int) -> None:
        """Count events that were settled; the lock is held."""
        self.events -= events
        self.bytes -= size


class WaitingRoom:
    """Bounds what waits in all lines of a pipeline together; the intakes' lock protects it.

    Args:
        max_events: Bound of events that wait.
        max_bytes: Bound of their size as JSON.
        max_share: Part of it that one line may use while nothing waits in another one, above 0 and up to 1.
    """

    def __init__(self, *, max_events: int, max_bytes: int, max_share: float) -> None:
        self._factor = max_share / (1 - max_share) if max_share < 1 else math.inf
        self._max_bytes = max_bytes
        self.free_events = max_events
        self.free_bytes = max_bytes

    def fits(self, events: int, size: int, *, more: int) -> bool:
        """Return whether ``more`` bytes may join a line that has so many events and bytes."""
        # An event larger than the whole bound may wait alone, as in a line that is not shared.
        if self.free_events <= 0 or (more > self.free_bytes and self.free_bytes < self._max_bytes):
            return False
        return not events or (
            events < self._factor * self.free_events and size + more <= self._factor * self.free_bytes
        )


class SharedLine:
    """What one line uses of a :class:`WaitingRoom`; a ``LineShare``."""

    def __init__(self, room: WaitingRoom) -> None:
        self._room = room
        self._events = 0
        self._bytes = 0

    def fits(self, size: int) -> bool:
        """Return whether one more event of this size may wait in the line."""
        return self._room.fits(self._events, self._bytes, more=size)

    def take(self, size: int) -> None:
        """Count an event that waits."""
        self._add(1, size)

    def give_back(self, events: int, size: int) -> None:
        """Count events that no longer wait."""
        self._add(-events, -size)

    def _add(self, events: int, size: int) -> None:
        self._events += events
        self._bytes += size
        self._room.free_events -= events
        self._room.free_bytes -= size
