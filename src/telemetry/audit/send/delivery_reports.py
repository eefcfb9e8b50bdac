"""Chooses the records that Kafka's client reports on: one report stands for those before it (docs/adr/0008)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord

ANY_PARTITION = -1
"""Kafka's client chooses by the key."""

_FEW = 64
"""So few records are reported on one by one."""
_COVERED = 16
_REMEMBERED_KEYS = 65_536
_REMEMBERED_SECONDS = 300.0
"""As often as Kafka's client looks for new partitions (topic.metadata.refresh.interval.ms)."""


class DeliveryReports:
    """Spares most reports under load: each takes the interpreter lock, and copies the record into a new object.

    A partition takes the records of an idempotent producer in order and without a gap. So one record's report also
    speaks for those that were sent before it to the same partition. Which one that is, is learned from the reports, and
    then said when sending: a guess would call a record delivered that is not.

    A record whose receipt somebody holds is always reported on, for its offset.

    Args:
        each: Report on every record.
        clock: Monotonic seconds.
    """

    def __init__(self, *, each: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._each = each
        self._clock = clock
        self._partitions: dict[bytes, int] = {}
        self._forget_at = clock() + _REMEMBERED_SECONDS

    def plan(self, records: Sequence[SealedRecord], on_report: Callable[[SealedRecord], None]) -> list[int]:
        """Give the records that are to be reported on their ``on_report`` and ``also_confirms``; return the partition of each."""
        known = self._partitions
        if self._clock() >= self._forget_at or len(known) > _REMEMBERED_KEYS:
            known.clear()
            self._forget_at = self._clock() + _REMEMBERED_SECONDS
        partitions = [known.get(record.key, ANY_PARTITION) for record in records]
        if self._each or len(records) < _FEW:
            for record in records:
                record.on_report = on_report
        else:
            _cover(records, partitions, on_report)
        return partitions

    def learn(self, record: SealedRecord) -> None:
        """Remember which partition a delivered record's key has."""
        self._partitions[record.key] = record.partition


def _cover(
    records: Sequence[SealedRecord], partitions: Sequence[int], on_report: Callable[[SealedRecord], None]
) -> None:
    silent: dict[int, list[SealedRecord]] = {}
    count, unheld = _references, _UNHELD
    for record, partition in zip(records, partitions, strict=True):
        if partition == ANY_PARTITION:
            record.on_report = on_report
            continue
        before = silent.get(partition)
        if before is None:
            before = silent[partition] = []
        receipt = record.receipt
        if len(before) < _COVERED and (receipt is None or count(receipt) == unheld):
            before.append(record)
        else:
            record.on_report, record.also_confirms = on_report, before
            del silent[partition]
    for before in silent.values():
        last = before.pop()
        last.on_report, last.also_confirms = on_report, before


def _always_held(_receipt: Receipt) -> int:
    return -1


_has_exact_counts = hasattr(sys, "getrefcount") and getattr(sys, "_is_gil_enabled", lambda: True)()
_references: Callable[[Receipt], int] = sys.getrefcount if _has_exact_counts else _always_held


def _count_unheld() -> int:
    """Return how many references there are to a receipt that only its record has, counted as :func:`_cover` does."""
    record = SealedRecord("", "", 0, b"", 0, Receipt("", "", 0))
    count, receipt = sys.getrefcount, record.receipt
    return count(receipt)


_UNHELD = _count_unheld() if _has_exact_counts else 0
