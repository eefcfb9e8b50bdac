"""A dispatcher with everything around it in memory: a Kafka, a fallback and listeners that a test controls."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from typing import cast

from telemetry.audit.ledger import Ledger
from telemetry.audit.metrics.instruments import AuditMetrics
from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord
from telemetry.audit.send.batcher import AuditBatcher
from telemetry.audit.send.dispatcher import BatchObserver, Dispatcher
from telemetry.audit.send.diversion import Diversion
from telemetry.audit.send.sender_link import SenderLink
from telemetry.audit.send.transport import KafkaTransport, TransportListener
from telemetry.exceptions import ConfigurationError, TelemetryError, TransportError
from tests.support.until import until


class ControlledKafka:
    """Opens transports that acknowledge records when a test says so.

    Attributes:
        opened: Every transport, the newest last.
        acknowledges: Whether records are acknowledged at once.
        version: Of the certificate files.
        refusal: Raised by every attempt to open a transport, or None.
        explained: Errors whose cause was asked for.
        crash: Raised by every ``send``, as a bug would be, or None.
        gate: Cleared, transports do not return from ``send`` and ``take_back``.
    """

    def __init__(self) -> None:
        self.opened: list[ControlledTransport] = []
        self.acknowledges = True
        self.version = b"1"
        self.refusal: ConfigurationError | None = None
        self.explained: list[TransportError] = []
        self.crash: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def open(self, listener: TransportListener, *, name: str) -> KafkaTransport:
        """Open a transport."""
        assert name == "telemetry-poller"
        if self.refusal is not None:
            raise self.refusal
        self.opened.append(ControlledTransport(self, listener))
        return cast("KafkaTransport", self.opened[-1])

    def certificates(self) -> bytes:
        """Return the version of the certificate files."""
        return self.version

    def explain(self, error: TransportError) -> None:
        """Remember the error."""
        self.explained.append(error)

    @property
    def topic(self) -> list[SealedRecord]:
        """The acknowledged records, in order."""
        return [record for transport in self.opened for record in transport.acknowledged]


class ControlledTransport:
    """Keeps the contract of ``KafkaTransport``: in order, nothing after a failure, everything else is taken back."""

    def __init__(self, kafka: ControlledKafka, listener: TransportListener) -> None:
        self._kafka = kafka
        self._listener = listener
        self._changed = threading.Condition()
        self._sent: list[SealedRecord] = []
        self.acknowledged: list[SealedRecord] = []
        self.headers: list[Sequence[tuple[str, bytes]]] = []
        self.failure: TransportError | None = None
        self.is_closed = False
        self.oldest: float | None = None
        self.is_stuck = False

    def __len__(self) -> int:
        return len(self._sent)

    @property
    def has_delivered(self) -> bool:
        """Whether any record was acknowledged."""
        return bool(self.acknowledged)

    def send(self, records: Sequence[SealedRecord], *, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Send records; acknowledge them if Kafka does."""
        self._wait_at_gate()
        if self._kafka.crash is not None:
            raise self._kafka.crash
        self.headers.append(headers)
        with self._changed:
            self._sent += records
            self.oldest = self.oldest or time.monotonic()
        if self._kafka.acknowledges and self.failure is None:
            self.acknowledge(len(records))

    def acknowledge(self, count: int) -> None:
        """Acknowledge the oldest records."""
        with self._changed:
            done, self._sent = self._sent[:count], self._sent[count:]
            for offset, record in enumerate(done, len(self.acknowledged)):
                record.reported, record.partition, record.offset = True, 0, offset
            self.acknowledged += done
            self._changed.notify_all()
        self._listener.delivered(done)

    def fail(self, error: TransportError) -> None:
        """Declare the transport failed."""
        with self._changed:
            is_news, self.failure = self.failure is None, self.failure or error
            self._changed.notify_all()
        if is_news:
            self._listener.transport_failed()

    def outstanding(self) -> list[SealedRecord]:
        """Return what is not acknowledged."""
        with self._changed:
            return [*self._sent]

    def wait_empty(self, timeout: float) -> bool:
        """Wait until everything is acknowledged; return False on failure or after the timeout."""
        with self._changed:
            self._changed.wait_for(lambda: not self._sent or self.failure is not None, timeout)
            return not self._sent

    def take_back(self) -> list[SealedRecord]:
        """End the transport; return what was not acknowledged."""
        self._wait_at_gate()
        with self._changed:
            rest, self._sent = self._sent, []
            self.is_closed = True
        return rest

    def close(self) -> None:
        """End the transport."""
        self.is_closed = True

    def _wait_at_gate(self) -> None:
        self.is_stuck = not self._kafka.gate.is_set()
        assert self._kafka.gate.wait(60)


class ListFallback:
    """A fallback that keeps records in a list.

    Attributes:
        records: What it has, in order.
        reasons: Why each part came.
        too_large: what was rejected, and why.
        has_stored: Whether objects wait for replay, so that nothing may be taken back.
        is_closed: Whether it was closed.
    """

    def __init__(self) -> None:
        self.records: list[SealedRecord] = []
        self.reasons: list[str] = []
        self.too_large: list[tuple[SealedRecord, TransportError]] = []
        self.has_stored = False
        self.is_closed = False

    def add(self, records: Sequence[SealedRecord], *, reason: str) -> None:
        """Accept records."""
        self.records += records
        self.reasons.append(reason)

    def reject(self, records: Sequence[SealedRecord], error: TransportError) -> None:
        """Remember records that are too large."""
        self.too_large += [(record, error) for record in records]

    def take_back(self) -> list[SealedRecord] | None:
        """Return the records, unless objects wait for replay."""
        if self.has_stored:
            return None
        records, self.records = self.records, []
        return records

    def flush(self, _timeout: float) -> bool:
        """Return whether nothing is left."""
        return not self.records

    def close(self) -> list[SealedRecord]:
        """Return what is left."""
        self.is_closed = True
        return self.take_back() or []

    def __len__(self) -> int:
        return len(self.records)


class Directions:
    """Remembers each change of direction, in order."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def fallback_entered(self, reason: str) -> None:
        """Remember that records are diverted."""
        self.seen.append(reason)

    def fallback_left(self) -> None:
        """Remember that records go to Kafka."""
        self.seen.append("direct")


class ClosedWith:
    """Stands in for the intake.

    Attributes:
        error: With which it was closed.
    """

    def __init__(self) -> None:
        self.error: TelemetryError | None = None

    def close(self, error: TelemetryError) -> None:
        """Remember the error."""
        self.error = error


class SenderBench:
    """A dispatcher in memory.

    Attributes:
        kafka: The Kafka.
        fallback: The fallback.
        directions: Changes of direction.
        batcher: The source of the records.
        ledger: Settles them.
        intake: Closed when the sender fails.
        dispatcher: The dispatcher; not started.
    """

    def __init__(
        self, *, observers: Sequence[BatchObserver] = (), adopted: Iterable[list[SealedRecord]] = (), pause: float = 0.0
    ) -> None:
        self.kafka = ControlledKafka()
        self.fallback = ListFallback()
        self.directions = Directions()
        self.batcher = AuditBatcher(lock=threading.Lock(), max_bytes=1, max_delay=0.001)
        self.ledger = Ledger(topic="t", metrics=AuditMetrics(topic="t"))
        self.intake = ClosedWith()
        self.diversion = Diversion(self.batcher, longest_pause=pause)
        self.dispatcher = Dispatcher(
            "producer",
            batcher=self.batcher,
            fallback=self.fallback,
            link=SenderLink(self.kafka, ledger=self.ledger, batcher=self.batcher, intake=self.intake),
            diversion=self.diversion,
            observers=observers,
            listeners=[self.directions],
            adopted=adopted,
        )

    def log(self, records: Sequence[SealedRecord]) -> None:
        """Give records receipts and queue them, as the intake does."""
        for record in records:
            record.receipt = Receipt(record.event_id, record.producer, record.sequence or 0)
        self.batcher.extend(records)

    def divert(self, error: TransportError) -> None:
        """Fail the present transport, and wait until the sender has noticed."""
        self.kafka.opened[-1].fail(error)
        until(lambda: self.dispatcher.is_diverted and self.directions.seen, what="the diversion")

    def end(self, *, kafka_seconds: float = 10.0, total_seconds: float = 20.0) -> list[SealedRecord]:
        """End the sender; return what is safe nowhere."""
        return self.dispatcher.drain(kafka_seconds=kafka_seconds, total_seconds=total_seconds)
