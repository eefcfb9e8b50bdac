"""Gives each stream its share of one room."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from telemetry.audit.accept.room import Room
from telemetry.audit.accept.share import Share
from telemetry.audit.record import SealedRecord


class SharedRoom(Room):
    """A room that knows which stream uses how much of it.

    Args:
        lock: The intakes' lock, which protects all of this.
        max_events: Bound of accepted events that are not settled, of all streams.
        max_bytes: Bound of their sealed size.
        max_share: Part of the room that one stream may use.
    """

    def __init__(self, *, lock: threading.Lock, max_events: int, max_bytes: int, max_share: float) -> None:
        super().__init__(lock=lock, max_events=max_events, max_bytes=max_bytes)
        self._max_share = max_share
        self._shares: dict[str, Share] = {}

    def add_share(self, producer: str) -> Share:
        """Return the share of a new stream."""
        share = self._shares[producer] = Share(self, max_share=self._max_share)
        return share

    def remove_share(self, producer: str) -> None:
        """Forget the share of a stream that has ended: nothing of it is unsettled."""
        self._shares.pop(producer, None)

    def _note_settled(self, records: Sequence[SealedRecord]) -> None:
        shares, producer, share = self._shares, "", None
        for record in records:
            if record.receipt is None:
                continue
            # What is settled together was drawn from one stream after the other.
            if record.producer != producer:
                producer = record.producer
                share = shares.get(producer)
            if share is not None:
                share.give_back(1, record.size)
