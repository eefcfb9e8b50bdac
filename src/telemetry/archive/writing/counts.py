"""Counts what an archiver does, and says it to operators and metrics."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from telemetry.archive.writing.topic_view import Lag


@dataclass(frozen=True, slots=True)
class ArchiveCounts:
    """What an archiver has done since it was created, and what is left to do.

    Attributes:
        commits: Commits.
        rows: Rows that they added.
        objects: Fallback objects among them.
        lost: Offsets that the topic had no more.
        failures: Times that something failed and was tried again.
        waiting_objects: Fallback objects that could not be opened or read when they were last looked at.
        lag_records: Offsets of the topic that are not archived, as last asked.
        lag_seconds: Age of the oldest record among them, as last asked.
        retention_share: Share of the topic's retention that is over for it, as last asked; 0 where records are kept for ever.
        number: Number of the last seal; None where there is none.
        is_working: Whether this archiver has the lease, and its last try did not fail.
    """

    commits: int = 0
    rows: int = 0
    objects: int = 0
    lost: int = 0
    failures: int = 0
    waiting_objects: int = 0
    lag_records: int = 0
    lag_seconds: float = 0.0
    retention_share: float = 0.0
    number: int | None = None
    is_working: bool = False


class ArchiveTally:
    """Keeps the counts of one archiver; its thread writes, any thread reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = ArchiveCounts()

    def snapshot(self) -> ArchiveCounts:
        """Return the counts of this moment."""
        return self._counts

    def works(self, is_working: bool) -> None:
        """Record whether this archiver works."""
        self._change(is_working=is_working)

    def committed(self, *, number: int, rows: int, objects: int, lost: int) -> None:
        """Count a commit."""
        counts = self._counts
        self._change(
            number=number,
            commits=counts.commits + 1,
            rows=counts.rows + rows,
            objects=counts.objects + objects,
            lost=counts.lost + lost,
        )

    def failed(self) -> None:
        """Count a failure."""
        self._change(failures=self._counts.failures + 1, is_working=False)

    def waits(self, objects: int) -> None:
        """Record how many fallback objects wait."""
        self._change(waiting_objects=objects)

    def observed(self, lags: list[Lag], *, retention: float | None) -> None:
        """Record what is not archived.

        Args:
            lags: What of each partition is not.
            retention: Seconds for which the topic keeps records; None for ever.
        """
        seconds = max((lag.seconds or 0.0 for lag in lags), default=0.0)
        self._change(
            lag_records=sum(lag.records for lag in lags),
            lag_seconds=round(seconds, 3),
            retention_share=round(seconds / retention, 6) if retention else 0.0,
        )

    def _change(self, **values: object) -> None:
        with self._lock:
            self._counts = replace(self._counts, **values)  # type: ignore[arg-type]
