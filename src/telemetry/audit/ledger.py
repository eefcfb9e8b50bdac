"""Settles every accepted event exactly once, and counts it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import msgspec

from telemetry.audit.accept.room import Room
from telemetry.audit.loss_log import LossLog
from telemetry.audit.metrics.instruments import AuditMetrics
from telemetry.audit.receipt import Receipt, mark_delivered, mark_failed, mark_stored, notify, unheard
from telemetry.audit.record import SealedRecord, Segment
from telemetry.exceptions import TelemetryError, TransportError


class Counts(msgspec.Struct):
    """Counts of a process; the ledger changes them under its lock. ``AuditStats`` says what each one means.

    ``last_delivered`` is when Kafka last acknowledged an event, in seconds since 1970.
    """

    delivered: int = 0
    stored: int = 0
    failed: int = 0
    refused: int = 0
    lost: int = 0
    replayed: int = 0
    rejected: int = 0
    unmarked: int = 0
    recovered: int = 0
    send_errors: int = 0
    last_delivered: float | None = None

    @property
    def settled(self) -> int:
        """Accepted events that are settled."""
        return self.delivered + self.stored + self.failed


class Ledger:
    """Settles records: counts them, clears them from the spool, gives their room back and notifies their receipts.

    It is called in the thread that learns what happened to a record: the transport's polling thread, the fallback
    thread, the probing thread, or the one that shuts down.

    Args:
        topic: Kafka topic, for receipts.
        metrics: The pipeline's instruments.
        room: Room of accepted events; None where no event of this process is settled.

    Attributes:
        counts: What was counted so far.
    """

    def __init__(self, *, topic: str, metrics: AuditMetrics, room: Room | None = None) -> None:
        self._topic = topic
        self._metrics = metrics
        self._room = room
        self._lock = threading.Lock()
        self._closed = False
        self._loss_log = LossLog()
        self.counts = Counts()

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
            self.counts.delivered += own
            self.counts.last_delivered = time.time()
        self._settle(records, own, size, waited)
        self._metrics.delivered(own)

    def stored(self, records: Sequence[SealedRecord], *, name: str, provider: str, reason: str) -> None:
        """Settle records that the fallback store acknowledged as part of an object."""
        with self._lock:
            if self._closed:
                return
            receipts = _receipts(records)
            waited = [receipt for receipt in receipts if mark_stored(receipt, name)]
            self.counts.stored += len(receipts)
        self._settle(records, len(receipts), _own_size(records), waited)
        self._metrics.stored(len(receipts), provider=provider, reason=reason)

    def failed(self, records: Sequence[SealedRecord], error: TelemetryError) -> None:
        """Settle records that could be kept nowhere."""
        with self._lock:
            receipts = _receipts(records)
            waited = [receipt for receipt in receipts if mark_failed(receipt, error)]
            self.counts.failed += len(receipts)
        self.lost(error, events=unheard(receipts, waited))
        self._settle(records, len(receipts), _own_size(records), waited)
        self._metrics.failed(len(receipts))

    def close(self) -> None:
        """Count nothing as delivered or stored from now on: the shutdown is about to count what is left.

        An acknowledgement that comes later makes a duplicate at worst; counted here it would make one event two.
        """
        with self._lock:
            self._closed = True
        self._loss_log.close()

    def kept(self, records: Sequence[SealedRecord]) -> None:
        """Notify the receipts of records that stay in the spool of a process that ends; they are not settled."""
        error = TransportError("the event is kept in the spool; the next process on this spool sends it")
        notify([receipt for receipt in _receipts(records) if mark_failed(receipt, error)])

    def refused(self, error: TelemetryError, *, calls: int = 1) -> None:
        """Count ``log()`` calls that raised."""
        if calls:
            with self._lock:
                self.counts.refused += calls
            self._metrics.refused(error, calls=calls)

    def lost(self, error: TelemetryError, *, events: int) -> None:
        """Count events that failed while nobody waited on their receipts, and log it."""
        if events:
            with self._lock:
                self.counts.lost += events
            self._metrics.lost(error, events=events)
            self._loss_log.lost(error, events=events)

    def send_failed(self, error: TelemetryError) -> None:
        """Count that Kafka did not accept what was sent."""
        with self._lock:
            self.counts.send_errors += 1
        self._metrics.send_error(error)

    def replayed(self, events: int) -> None:
        """Count stored events that reached the topic."""
        with self._lock:
            self.counts.replayed += events
            self.counts.last_delivered = time.time()
        self._metrics.replayed(events)

    def rejected(self, events: int, *, reason: str) -> None:
        """Count stored events that Kafka will never accept."""
        with self._lock:
            self.counts.rejected += events
        self._metrics.rejected(events, reason=reason)

    def unmarked(self, events: int) -> None:
        """Count events that were published although nothing but their content says that this service stored them."""
        with self._lock:
            self.counts.unmarked += events
        self._metrics.unmarked(events)

    def _settle(self, records: Sequence[SealedRecord], own: int, size: int, waited: list[Receipt]) -> None:
        """Clear records from their spool segments, give the room of our own back, notify the receipts.

        In this order: the spool says in the room what it withholds before the rest of the room is given back.
        """
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
            self._count_recovered(records)
        if own and self._room is not None:
            self._room.give_back(own, size, records)
        if waited:
            notify(waited)

    def _count_recovered(self, records: Sequence[SealedRecord]) -> None:
        """Count events of dead processes: no caller waits for them here; a checkpoint, without a number, is no event."""
        recovered = sum(record.receipt is None and record.sequence is not None for record in records)
        with self._lock:
            self.counts.recovered += recovered


def _own_size(records: Sequence[SealedRecord]) -> int:
    return sum(record.size for record in records if record.receipt is not None)


def _receipts(records: Sequence[SealedRecord]) -> list[Receipt]:
    """Return the receipts of this process's own events."""
    return [record.receipt for record in records if record.receipt is not None]
