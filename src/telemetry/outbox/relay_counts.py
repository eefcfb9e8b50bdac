"""Counts what a relay does, and says it to operators and metrics."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from telemetry.outbox.rows import Backlog


@dataclass(frozen=True, slots=True)
class RelayCounts:
    """What a relay has done since it was created, and what is left to do.

    Attributes:
        is_leader: Whether this relay is the one that works on the table.
        relayed: Events that were delivered, and whose rows were deleted.
        held: Rows that it has begun to hold.
        failures: Times that something went wrong, and was tried again.
        last_error: Class of the last error; empty after a success.
        waiting: Rows that are to be relayed, as last counted, up to 100,000.
        held_rows: Rows that are held, as last counted, up to 100,000.
        oldest_age_seconds: Age of the first row that is waiting, as last counted.
    """

    is_leader: bool = False
    relayed: int = 0
    held: int = 0
    failures: int = 0
    last_error: str = ""
    waiting: int = 0
    held_rows: int = 0
    oldest_age_seconds: float = 0.0


class RelayTally:
    """Keeps the counts of one relay; the relay's thread writes, any thread reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = RelayCounts()

    def snapshot(self) -> RelayCounts:
        """Return the counts of this moment."""
        return self._counts

    def leads(self, is_leader: bool) -> None:
        """Record whether this relay is the leader."""
        self._change(is_leader=is_leader)

    def relayed(self, events: int) -> None:
        """Count delivered and deleted rows."""
        self._change(relayed=self._counts.relayed + events, last_error="")

    def held(self, rows: int) -> None:
        """Count rows that are held from now on."""
        self._change(held=self._counts.held + rows)

    def failed(self, error: Exception) -> None:
        """Count a failure."""
        self._change(failures=self._counts.failures + 1, last_error=type(error).__name__)

    def observed(self, backlog: Backlog) -> None:
        """Record what is in the table."""
        self._change(
            waiting=backlog.waiting, held_rows=backlog.held, oldest_age_seconds=round(backlog.oldest_age_seconds, 3)
        )

    def _change(self, **values: object) -> None:
        with self._lock:
            self._counts = replace(self._counts, **values)  # type: ignore[arg-type]
