"""Collects the leaf hashes of consecutive events until they become one row of the archive."""

from __future__ import annotations

from typing import Any, NamedTuple

from telemetry.archive.rows.columns import LEAF_BYTES, Kind, Row, row
from telemetry.archive.upkeep.leaf_digest import LeafRun

MAX_RUN = 65_536
"""Most events of one row: its leaf hashes are 2 MiB."""


class Stream(NamedTuple):
    """A producer's stream on one day.

    Attributes:
        service: Service.
        environment: Environment.
        producer: UUIDv7 of the producer.
        day: Days since the epoch.
    """

    service: str | None
    environment: str | None
    producer: str | None
    day: int


class PendingRun:
    """Leaf hashes that follow each other without a gap.

    Args:
        stream: Their stream.
        run: The first of them.
        mark: When and by which policy they ended.
    """

    def __init__(self, stream: Stream, run: LeafRun, mark: dict[str, Any]) -> None:
        self.stream = stream
        self.first = run.first
        self._leaves = bytearray(run.leaves)
        self._mark = mark

    @property
    def end(self) -> int:
        """One more than the sequence of the last event."""
        return self.first + len(self._leaves) // LEAF_BYTES

    def has(self, stream: Stream, sequence: int, leaf: bytes) -> bool:
        """Return whether the run has this leaf for a sequence."""
        if stream != self.stream or not self.first <= sequence < self.end:
            return False
        start = (sequence - self.first) * LEAF_BYTES
        return self._leaves[start : start + LEAF_BYTES] == leaf

    def is_followed_by(self, stream: Stream, run: LeafRun) -> bool:
        """Return whether leaves continue the run."""
        return stream == self.stream and run.first == self.end and run.end - self.first <= MAX_RUN

    def extend(self, run: LeafRun, mark: dict[str, Any]) -> None:
        """Append leaves that continue the run; the row is then marked by the later policy."""
        self._leaves += run.leaves
        self._mark = mark

    def as_run(self) -> LeafRun:
        """Return the leaves."""
        return LeafRun(self.first, bytes(self._leaves))

    def as_row(self) -> Row:
        """Return the row of the archive."""
        return row(
            day=self.stream.day,
            service=self.stream.service,
            environment=self.stream.environment,
            kind=Kind.ENDED.value,
            producer=self.stream.producer,
            sequence=self.first,
            until=self.end,
            value=bytes(self._leaves),
            redacted=self._mark,
        )
