"""What ``shutdown()`` returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShutdownReport:
    """What became of the events of a process.

    Attributes:
        delivered: Acknowledged by Kafka.
        stored: In the fallback store, or replayed from there.
        spooled: Kept in the spool for the next process.
        failed: Failed earlier, through their receipts.
    """

    delivered: int
    stored: int
    spooled: int = 0
    failed: int = 0

    @property
    def left(self) -> int:
        """Events that are neither on the topic nor in the fallback store, but safe in the spool."""
        return self.spooled
