"""Bounds what settled records still occupy in the files of a spool."""

from __future__ import annotations

import threading

from telemetry.audit.accept.room import Room


class KeptBytes:
    """Counts settled bytes that are on disk after a record that is not settled, in all segments of a process.

    Beyond a bound their room is withheld from new events, although they are settled. The ledger's threads change it.

    Args:
        room: Room of accepted events.
        most: How many such bytes may be on disk before they are withheld.
    """

    def __init__(self, room: Room, *, most: int = 1 << 60) -> None:
        self._room = room
        self._most = most
        self._lock = threading.Lock()
        self._bytes = 0

    def change(self, size: int) -> None:
        """Count ``size`` bytes more, or fewer.

        The ledger gives the room of the same records back right after this, less what is withheld here.
        """
        with self._lock:
            self._bytes += size
            self._room.withhold(max(self._bytes - self._most, 0))
