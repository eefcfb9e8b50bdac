"""Tracks up to which position the records of a segment are settled, and what the others keep on disk."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.stream.kept_bytes import KeptBytes


class SettledPrefix:
    """The positions of a stream's records: those below :attr:`below` are all settled.

    Delivery reports arrive in any order, from several partitions, but a segment forgets records from its beginning
    only. One that stays unsettled for long keeps all those after it on disk, which :class:`KeptBytes` bounds.

    The spool thread adds records, in order; the ledger's threads settle them, in any order. ``_lock`` guards all fields
    but :attr:`noted_below`, which the spool thread alone uses.

    Args:
        kept: Settled bytes that are on disk, of all streams.

    Attributes:
        noted_below: The lowest position that is not settled, as the file knows it.
    """

    def __init__(self, kept: KeptBytes) -> None:
        self._kept = kept
        self.noted_below = 0
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

    @property
    def is_noted(self) -> bool:
        """Whether the file knows all that is settled."""
        return self._below == self.noted_below

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
            # At once: while the disk is broken, perhaps nothing settles here, and they would become more and more.
            self._rise(self._kept_bytes)

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
            self._settled.update(record.sequence for record in records if record.sequence is not None)
            self._rise(self._kept_bytes + sum(record.size for record in records if record.sequence is not None))

    def _rise(self, kept: int) -> None:
        """Forget the settled positions at the beginning; the lock is held.

        Args:
            kept: Settled bytes that are on disk, those at the beginning included.
        """
        below, settled, sizes = self._below, self._settled, self._sizes
        while below in settled:
            settled.discard(below)
            below += 1
            kept -= sizes.popleft() if sizes else 0
        change = kept - self._kept_bytes
        self._below, self._kept_bytes = below, kept
        if change:
            self._kept.change(change)
