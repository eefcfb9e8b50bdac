"""Holds records back until a checkpoint says whether they are what was signed; their order stays."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from telemetry.exceptions import TamperedError
from telemetry.reader.entry import DamagedRecord, EndedRun, Proven, RawRecord, RedactedEvent, SourceRecord
from telemetry.reader.proof.index import ProofIndex
from telemetry.reader.proof.places import StreamPlace
from telemetry.reader.proof.record_queue import HeldRecord, RecordQueue


class ProofWait:
    """Passes the records of a source on, as soon as all before them can be judged.

    Args:
        index: Learns from the records, and judges them.
        seconds: How long a record is held back at most; None: until the source ends.
        queue: Keeps the records that wait.
    """

    def __init__(self, index: ProofIndex, *, seconds: float | None = None, queue: RecordQueue | None = None) -> None:
        self._index = index
        self._seconds = seconds
        self._queue = queue or RecordQueue()
        # The number of changes after which the oldest record could not be judged.
        self._judged_at = -1

    def records(self, source: Iterable[SourceRecord | None]) -> Iterator[SourceRecord]:
        """Yield the records; one whose data key cannot have sealed it becomes a damaged one.

        Args:
            source: The records; None where some time has passed without one.

        Raises:
            StorageError: What does not fit into memory cannot be written to the disk, or read from it.
        """
        for raw in source:
            if raw is not None:
                place = self._observed(raw)
                self._queue.append(HeldRecord(raw, place, time.monotonic()))
            yield from self._released()
        while self._queue.first() is not None:
            yield self._checked(self._queue.take())

    @property
    def has_limit(self) -> bool:
        """Whether a record is held back for some time only."""
        return bool(self._seconds)

    def close(self) -> None:
        """Forget the records that wait."""
        self._queue.close()

    def _observed(self, raw: SourceRecord) -> StreamPlace | None:
        if isinstance(raw, RawRecord):
            return self._index.observe(raw)
        if isinstance(raw, RedactedEvent):
            return self._index.observe_redacted(raw)
        if isinstance(raw, EndedRun):
            self._index.observe_ended(raw)
        return None

    def _released(self) -> Iterator[SourceRecord]:
        """Yield the oldest records that can be judged, or have waited long enough."""
        while (first := self._queue.first()) is not None and self._may_pass(first):
            self._judged_at = -1
            yield self._checked(self._queue.take())

    def _may_pass(self, record: HeldRecord) -> bool:
        if record.place is None or self._queue.is_full or self._has_waited(record):
            return True
        if self._judged_at == self._index.changes:
            return False
        self._judged_at = self._index.changes
        return self._index.judge(record.place) is not None

    def _has_waited(self, record: HeldRecord) -> bool:
        return self._seconds is not None and time.monotonic() - record.arrived >= self._seconds

    def _checked(self, record: HeldRecord) -> SourceRecord:
        raw, place = record.raw, record.place
        if place is None or not isinstance(raw, RawRecord) or raw.value is None:
            return raw
        refusal = self._refusal(place, raw.value)
        return DamagedRecord(raw.place, TamperedError(refusal), raw) if refusal else raw

    def _refusal(self, place: StreamPlace, value: bytes) -> str:
        if self._index.judge(place) is Proven.YES:
            return ""
        reason = self._index.refusal(place, value)
        where = f"producer {place.producer}, sequence {place.sequence}"
        return (
            f"{reason} ({where}): it was sealed by someone who may read the trail or has stolen the key"
            if reason
            else ""
        )
