"""Remembers which records only the sender has, for a shutdown that cannot wait for it."""

from __future__ import annotations

from collections.abc import Sequence

from telemetry.audit.record import SealedRecord


class RecordsInHand:
    """Where the records of the sender are now: what was taken from one place and may not have reached the next.

    The way of a record is batcher -> batch -> forwarded -> transport, and from a transport that failed -> leaving ->
    fallback. The sender writes down each step before it takes it, so a record may be found in two places, but not in
    none. Only the sender writes; a shutdown reads, see ``Dispatcher``.

    Attributes:
        batch: The batch that was taken from the batcher last.
        forwarded: The records that were given to the transport, or to the fallback, last.
        leaving: The records that are leaving a transport that failed.
        is_over: Whether the sender has ended and passed everything on.
    """

    def __init__(self) -> None:
        self.batch: Sequence[SealedRecord] = ()
        self.forwarded: Sequence[SealedRecord] = ()
        self.leaving: Sequence[SealedRecord] = ()
        self.is_over = False

    def batch_taken(self, records: Sequence[SealedRecord]) -> None:
        """Write down the batch that was taken from the batcher."""
        self.batch = records

    def forwarding(self, records: Sequence[SealedRecord]) -> None:
        """Write down the records that are about to go to the transport or to the fallback."""
        self.forwarded = records

    def leaving_transport(self, records: Sequence[SealedRecord]) -> None:
        """Write down the records that are about to leave a transport that failed."""
        self.leaving = records

    def left_transport(self) -> None:
        """Write down that they are in the fallback."""
        self.leaving = ()

    def passed_on(self) -> None:
        """Write down that the sender ends and that nothing is left with it."""
        self.batch = self.forwarded = self.leaving = ()
        self.is_over = True
