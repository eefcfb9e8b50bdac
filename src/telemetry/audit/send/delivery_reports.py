"""Plans which records Kafka's client reports on: under load one report confirms many records (docs/adr/0008)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.report_choice import ANY_PARTITION, choose_reports, references_of_unused

_FEW = 64
"""Records of a smaller batch are reported on one by one."""
_REMEMBERED_KEYS = 65_536
_REMEMBERED_SECONDS = 300.0
"""As often as Kafka's client looks for new partitions (topic.metadata.refresh.interval.ms)."""


class DeliveryReports:
    """Spares most reports under load: each takes the interpreter lock, and copies the record into a new object.

    A partition accepts the records of an idempotent producer in order and without a gap. So one record's report also
    confirms those that were sent before it to the same partition. Which partition that is, is learned from the reports
    and then stated when sending: a guess could confirm a record that is not on the topic.

    A record is always reported on while the application uses its receipt, for its offset.

    Args:
        each: Report on every record.
        now: Monotonic seconds.
    """

    def __init__(self, *, each: bool, now: float) -> None:
        self._each = each
        # Tried out anew for each transport: a debugger or profiler may have been attached since the last one.
        self._unused = references_of_unused()
        self._partitions: dict[bytes, int] = {}
        self._forget_at = now + _REMEMBERED_SECONDS

    def plan(
        self, records: Sequence[SealedRecord], *, on_report: Callable[[SealedRecord], None], now: float
    ) -> list[int]:
        """Prepare the records that are to be reported on; runs in the sender.

        Args:
            records: Records to be sent, in order.
            on_report: Called with a record when its report arrives.
            now: Monotonic seconds.

        Returns:
            The partition to send each to; ``ANY_PARTITION`` where Kafka's client chooses.
        """
        known = self._partitions
        if now >= self._forget_at or len(known) > _REMEMBERED_KEYS:
            known.clear()
            self._forget_at = now + _REMEMBERED_SECONDS
        partitions = [known.get(record.key, ANY_PARTITION) for record in records]
        if self._each or len(records) < _FEW:
            for record in records:
                record.on_report = on_report
        else:
            choose_reports(records, partitions, on_report=on_report, unused=self._unused)
        return partitions

    def learn(self, record: SealedRecord) -> None:
        """Remember which partition a delivered record's key has; runs in the polling thread."""
        # A single assignment, so the sender needs no lock: it finds the partition or chooses none.
        self._partitions[record.key] = record.partition
