"""Tracks up to which position the records of a segment are settled, and what the others keep on disk."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from telemetry.audit.accept.room import Room
from telemetry.audit.record import SealedRecord


class SettledPrefix:
    """The positions of this process's records: those below :attr:`below` are all settled.

    Delivery reports arrive in any order, from several partitions, but a segment forgets records from its beginning
    only. One that stays unsettled for long keeps all those after it on disk. Beyond a bound their room is withheld from new
    events, although they are settled.

    The spool thread adds records, in order; the ledger's threads settle them, in any order. ``_lock`` guards all fields.

    Args:
        room: Room of accepted events.
        max_kept_bytes: How many settled bytes may stay on disk after a record that is not settled, before they are
            withheld.
    """

    def __init__(self, *, room: Room, max_kept_bytes: int) -> None:
        self._room = room
        self._max_kept_bytes = max_kept_bytes
        self._lock = threading.Lock()
        self._below = 0
        self._settled: set[int] = set()
        # Of each position from `_below` on, in order: its bytes on disk, zero if it is not there.
        self._sizes: deque[int] = deque()
        self._kept_bytes = 0
        self._outstanding = 0

    @property
    def below(self) -> int:
        """The lowest position that is not settled."""
        return self._below

    @property
    def outstanding(self) -> int:
        """How many records the segment is kept for."""
        return self._outstanding

    def add(self, records: Sequence[SealedRecord]) -> None:
        """Count records that were committed, the next ones in order."""
        with self._lock:
            self._sizes.extend([record.size for record in records])
            self._outstanding += len(records)

    def add_uncommitted(self, records: Sequence[SealedRecord]) -> None:
        """Count records that are not in the segment as settled there, or :attr:`below` would never rise past them.

        Those that were counted before an error in the spool's thread are left as they are.
        """
        with self._lock:
            end = self._below + len(self._sizes)
            fresh = [record.sequence for record in records if record.sequence is not None and record.sequence >= end]
            self._sizes.extend([0 for _ in fresh])
            self._settled.update(fresh)

    def reopen(self, position: int) -> None:
        """Count the records from ``position`` on as not settled after all: it is about to be committed late."""
        with self._lock:
            self._below = min(self._below, position)

    def add_late(self, records: Sequence[SealedRecord]) -> None:
        """Count records that :meth:`add_uncommitted` counted, and that were committed after all."""
        with self._lock:
            self._outstanding += len(records)

    def add_outside(self) -> None:
        """Count a record that is not in the segment, but for which the segment is kept."""
        with self._lock:
            self._outstanding += 1

    def settle(self, records: Sequence[SealedRecord]) -> None:
        """Count records as settled."""
        with self._lock:
            self._outstanding -= len(records)
            below, settled, sizes = self._below, self._settled, self._sizes
            settled.update(record.sequence for record in records if record.sequence is not None)
            kept = self._kept_bytes + sum(record.size for record in records if record.sequence is not None)
            while below in settled:
                settled.discard(below)
                below += 1
                kept -= sizes.popleft() if sizes else 0
            self._below, self._kept_bytes = below, kept
            # The ledger gives the room of these records back right after this, less what is withheld here.
            self._room.withhold(max(kept - self._max_kept_bytes, 0))
