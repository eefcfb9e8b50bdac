"""The books of a pipeline: every accepted event is settled exactly once, and its receipt told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from telemetry.audit.metrics import AuditMetrics
from telemetry.audit.receipt import Receipt, mark_delivered, mark_failed, mark_stored, notify
from telemetry.audit.record import SealedRecord, Segment
from telemetry.exceptions import TelemetryError, TransportError


@dataclass(frozen=True, slots=True)
class AuditStats:
    """A snapshot of the counts of one process.

    ``logged = delivered + stored + failed + queued`` at every moment.

    Attributes:
        logged: Events that ``log()`` accepted.
        delivered: Acknowledged by Kafka.
        stored: Acknowledged by the fallback store; ``replayed`` says how many of all objects went on to Kafka.
        failed: Accepted, then failed through their receipts.
        queued: Accepted and not settled: in memory, and in the spool where there is one.
        refused: ``log()`` calls that raised.
        replayed: Events of the fallback store that this process brought to the topic.
        rejected: Events of the fallback store that Kafka will never take.
        recovered: Events of dead processes' spool segments that this process settled.
        send_errors: Times Kafka did not take what was sent.
        diverted: Whether events go to the fallback now.
    """

    logged: int = 0
    delivered: int = 0
    stored: int = 0
    failed: int = 0
    queued: int = 0
    refused: int = 0
    replayed: int = 0
    rejected: int = 0
    recovered: int = 0
    send_errors: int = 0
    diverted: bool = False


class Ledger:
    """Settles records: counts them, gives their room back, clears them from the spool, tells their receipts.

    Args:
        topic: Kafka topic, for receipts.
        metrics: The pipeline's instruments.
        release: Gives back the room of settled events.
    """

    def __init__(self, *, topic: str, metrics: AuditMetrics, release: Callable[[int, int], None]) -> None:
        self._topic = topic
        self._metrics = metrics
        self._release = release
        self._lock = threading.Lock()
        self._closed = False
        self.delivered_events = 0
        self.stored_events = 0
        self.failed_events = 0
        self.refused_calls = 0
        self.replayed_events = 0
        self.rejected_events = 0
        self.recovered_events = 0
        self.send_errors = 0

    @property
    def settled(self) -> int:
        """How many accepted events are settled."""
        return self.delivered_events + self.stored_events + self.failed_events

    def delivered(self, records: Sequence[SealedRecord]) -> None:
        """Settle records that Kafka acknowledged."""
        topic, waited = self._topic, []
        own = size = 0
        with self._lock:
            if self._closed:
                return
            for record in records:
                receipt = record.receipt
                if receipt is not None:
                    own += 1
                    size += record.size
                    if mark_delivered(receipt, topic, record.partition, record.offset):
                        waited.append(receipt)
            self.delivered_events += own
        self._settle(records, own, size, waited)
        self._metrics.delivered(own)

    def stored(self, records: Sequence[SealedRecord], *, name: str, provider: str, reason: str) -> None:
        """Settle records that the fallback store acknowledged as part of an object."""
        with self._lock:
            if self._closed:
                return
            receipts = _receipts(records)
            waited = [receipt for receipt in receipts if mark_stored(receipt, name)]
            self.stored_events += len(receipts)
        self._settle(records, len(receipts), _own_size(records), waited)
        self._metrics.stored(len(receipts), provider=provider, reason=reason)

    def failed(self, records: Sequence[SealedRecord], error: TelemetryError) -> None:
        """Settle records that could be kept nowhere."""
        with self._lock:
            receipts = _receipts(records)
            waited = [receipt for receipt in receipts if mark_failed(receipt, error)]
            self.failed_events += len(receipts)
        self._settle(records, len(receipts), _own_size(records), waited)
        self._metrics.failed(len(receipts))

    def close(self) -> None:
        """From now on nothing is delivered or stored any more: who ends the pipeline counts what is left.

        An acknowledgement that comes later makes a duplicate at worst; counted here it would make an event two.
        """
        with self._lock:
            self._closed = True

    def kept(self, records: Sequence[SealedRecord]) -> None:
        """Tell whoever waits for records that stay in the spool of a process that ends; they are not settled."""
        error = TransportError("the event is kept in the spool; the next process on this spool sends it")
        notify([receipt for receipt in _receipts(records) if mark_failed(receipt, error)])

    def refused(self, error: TelemetryError, *, calls: int = 1) -> None:
        """Note ``log()`` calls that raised."""
        if calls:
            with self._lock:
                self.refused_calls += calls
            self._metrics.refused(type(error).__name__, calls=calls)

    def send_failed(self, error: TelemetryError) -> None:
        """Note that Kafka did not take what was sent."""
        with self._lock:
            self.send_errors += 1
        self._metrics.send_error(type(error).__name__)

    def replayed(self, events: int) -> None:
        """Note stored events that reached the topic."""
        with self._lock:
            self.replayed_events += events
        self._metrics.replayed(events)

    def rejected(self, events: int, *, reason: str) -> None:
        """Note stored events that Kafka will never take."""
        with self._lock:
            self.rejected_events += events
        self._metrics.rejected(events, reason=reason)

    def _settle(self, records: Sequence[SealedRecord], own: int, size: int, waited: list[Receipt]) -> None:
        """Clear records from their spool segments, give the room of our own back, tell who waited."""
        segments: dict[Segment, list[SealedRecord]] = {}
        for record in records:
            segment = record.segment
            if segment is None:
                continue
            kept = segments.get(segment)
            if kept is None:
                segments[segment] = [record]
            else:
                kept.append(record)
        for segment, kept in segments.items():
            segment.acknowledge(kept)
        if own < len(records):
            self._note_recovered(records)
        if own:
            self._release(own, size)
        if waited:
            notify(waited)

    def _note_recovered(self, records: Sequence[SealedRecord]) -> None:
        recovered = sum(record.receipt is None and record.sequence is not None for record in records)
        with self._lock:
            self.recovered_events += recovered


def _own_size(records: Sequence[SealedRecord]) -> int:
    return sum(record.size for record in records if record.receipt is not None)


def _receipts(records: Sequence[SealedRecord]) -> list[Receipt]:
    """Return the receipts of this process's own events."""
    return [record.receipt for record in records if record.receipt is not None]
