"""Bounds the accepted events that are not settled yet."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from telemetry.audit.record import SealedRecord

_OVERHEAD = 1_024
"""Estimated bytes of a record beside its sealed event: attributes, wrapped key, JWE header."""


_IN_TURN = 32
"""So many events of one line are accepted before it is the turn of the next one."""


class RoomWaiter(Protocol):
    """Events that wait for room, and are accepted as soon as there is some."""

    def accept_waiting(self, most: int) -> int:
        """Accept events that wait, ``most`` at most; the lock is held. Return how many."""

    @property
    def is_waiting(self) -> bool:
        """Whether any event waits."""

    @property
    def lacks_key(self) -> bool:
        """Whether the first event waits for a data key, as far as the last try has shown."""

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
        self._waiters: dict[RoomWaiter, None] = {}

    @property
    def used(self) -> tuple[int, int]:
        """Events and bytes that are accepted and not settled; withheld bytes count as used."""
        return self._max_events - self.free_events, self._max_bytes - self.free_bytes

    @property
    def fill(self) -> float:
        """How much of the room is used, from 0 to 1: in events or in bytes, whichever is more."""
        return self.part_of(*self.used)

    def part_of(self, events: int, size: int) -> float:
        """Return how much of the room so many events and bytes are, from 0 to 1: the larger part of both."""
        return min(max(events / self._max_events, size / self._max_bytes, 0.0), 1.0)

    @property
    def is_full(self) -> bool:
        """Whether not even the smallest event may be accepted now."""
        return not self.fits(0)

    def add_waiter(self, waiter: RoomWaiter) -> None:
        """Let this waiter have room that is given back, as long as it has events that wait; the lock is held."""
        self._waiters[waiter] = None

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

    def give_back(self, events: int, size: int, records: Sequence[SealedRecord] = ()) -> None:
        """Give back the room of settled events, and let those that wait have it, one line after the other.

        Args:
            events: How many events were settled.
            size: Their sealed size.
            records: The records that were settled, for a room that several streams share.
        """
        with self._lock:
            withheld = self._to_withhold
            self.free_events += events
            self.free_bytes += size + self._withheld - withheld
            self._withheld = withheld
            self._note_settled(records)
            without_key = self._let_in() if self._waiters else ()
        # Outside the lock: a key that is already there is delivered in this very call, and takes the lock again.
        for waiter in without_key:
            waiter.request_key()

    def _note_settled(self, records: Sequence[SealedRecord]) -> None:
        """Give back the shares of the streams that share this room, where several do; the lock is held."""

    def _let_in(self) -> list[RoomWaiter]:
        """Accept events that wait, in turn; return those of the lines that lack a data key."""
        turn = waiters = list(self._waiters)
        while turn:
            turn = [waiter for waiter in turn if waiter.accept_waiting(_IN_TURN) == _IN_TURN]
        # The line that was first is the last one next time.
        self._waiters = {waiter: None for waiter in (*waiters[1:], waiters[0]) if waiter.is_waiting}
        return [waiter for waiter in waiters if waiter.lacks_key]
