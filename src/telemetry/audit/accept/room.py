"""Bounds the accepted events that are not settled yet."""

from __future__ import annotations

import threading
from typing import Protocol

_OVERHEAD = 1_024
"""Estimated bytes of a record beside its sealed event: attributes, wrapped key, JWE header."""


class RoomWaiter(Protocol):
    """Accepts calls that wait for room as soon as there is some."""

    def accept_waiting(self) -> bool:
        """Accept as many as there is room for; the lock is held. Return whether a data key is missing."""

    def request_key(self) -> None:
        """Request a data key; the lock is not held."""


class Room:
    """Room for accepted events, counted in events and in sealed bytes.

    The intake takes room for each event that it accepts, the ledger gives it back when the event is settled, and the
    spool withholds the part that settled records still occupy in its file.

    Args:
        lock: The intake's lock, which protects all of this.
        max_events: Bound of accepted events that are not settled.
        max_bytes: Bound of their sealed size.

    Attributes:
        free_events: How many more events may be accepted; the intake lowers it under the lock.
        free_bytes: How many more bytes they may have; the intake lowers it under the lock.
    """

    def __init__(self, *, lock: threading.Lock, max_events: int, max_bytes: int) -> None:
        self._lock = lock
        self._max_events = max_events
        self._max_bytes = max_bytes
        # Plain counters instead of a method that takes room: that would be one more call for each event.
        self.free_events = max_events
        self.free_bytes = max_bytes
        self._withheld = 0
        self._to_withhold = 0
        self._waiters: list[RoomWaiter] = []

    @property
    def used(self) -> tuple[int, int]:
        """Events and bytes that are accepted and not settled; withheld bytes count as used."""
        return self._max_events - self.free_events, self._max_bytes - self.free_bytes

    @property
    def fill(self) -> float:
        """How much of the room is used, from 0 to 1: in events or in bytes, whichever is more."""
        events, size = self.used
        return min(max(events / self._max_events, size / self._max_bytes, 0.0), 1.0)

    @property
    def is_full(self) -> bool:
        """Whether not even the smallest event may be accepted now."""
        return not self.fits(0)

    def add_waiter(self, waiter: RoomWaiter) -> None:
        """Call this waiter whenever room is given back."""
        self._waiters.append(waiter)

    def fits(self, plain_bytes: int) -> bool:
        """Return whether an event of this size before sealing may be accepted now; the lock is held."""
        free = self.free_bytes
        # Base64 makes four bytes of three. An event larger than the whole bound may pass alone.
        return self.free_events > 0 and (free >= plain_bytes * 4 // 3 + _OVERHEAD or free == self._max_bytes)

    def withhold(self, size: int) -> None:
        """Set how many bytes stay occupied although their events are settled; in force with the next :meth:`give_back`.

        The spool calls it in the thread that settles, just before the ledger gives the room of the same events back.
        """
        self._to_withhold = size

    def give_back(self, events: int, size: int) -> None:
        """Give back the room of settled events, and let waiting calls have it."""
        with self._lock:
            withheld = self._to_withhold
            self.free_events += events
            self.free_bytes += size + self._withheld - withheld
            self._withheld = withheld
            without_key = [waiter for waiter in self._waiters if waiter.accept_waiting()]
        # Outside the lock: a key that is already there is delivered in this very call, and takes the lock again.
        for waiter in without_key:
            waiter.request_key()
