"""Reports the pipeline to OpenTelemetry. Attributes are few and never contain a user, a payload or a key."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from telemetry.audit.record import SealedRecord
from telemetry.version import __version__


class Gauges(Protocol):
    """Values that can be read from a pipeline at any moment."""

    def gauges(self) -> dict[str, float]:
        """Return the values by metric name."""


class SealTimer(Protocol):
    """Measures how long sealing takes; the intake, in a pipeline."""

    def take_seal_time(self) -> tuple[float, int]:
        """Return seconds spent on sealing since the last call, and of how many events."""


_GAUGES: dict[str, tuple[str, str]] = {
    "audit.queue.events": ("{event}", "Accepted events that are not settled"),
    "audit.queue.bytes": ("By", "Their sealed size"),
    "audit.queue.waiting_calls": ("{event}", "Events that wait for room or for a data key"),
    "audit.oldest_undelivered_age_seconds": ("s", "Age of the oldest event that is not settled"),
    "audit.spool.bytes": ("By", "Size of the spool segment"),
    "audit.fallback.backlog_objects": ("{object}", "Objects of this process that wait for replay"),
    "audit.fallback.backlog_events": ("{event}", "Events in them"),
    "audit.fallback.backlog_bytes": ("By", "Their size"),
    "audit.fallback.oldest_age_seconds": ("s", "Age of the oldest of them"),
    "audit.fallback.lock_waiting_seconds": (
        "s",
        "How long another process has had the lock of the replay without progress",
    ),
    "audit.data_key.uses_left": ("{use}", "Events that the current data key may still seal"),
    "audit.data_key.age_seconds": ("s", "Age of the current data key"),
    "audit.kms.last_call_ms": ("ms", "Duration of the last call to the key service"),
    "audit.kafka.diverted": ("1", "1 while events go to the fallback, else 0"),
}


class AuditMetrics:
    """The instruments of one pipeline, created through the OpenTelemetry API.

    Without an SDK they cost next to nothing.

    Args:
        topic: Kafka topic, an attribute of the counters.
    """

    def __init__(self, *, topic: str) -> None:
        meter = metrics.get_meter("telemetry", __version__)
        self._meter = meter
        self._topic = {"topic": topic}
        self._processed = meter.create_counter(
            "audit.events.processed_total", unit="{event}", description="Events settled, by outcome"
        )
        self._seal = meter.create_histogram(
            "audit.encryption.duration_ms", unit="ms", description="Mean time to seal one event, once a batch"
        )
        self._send_errors = meter.create_counter(
            "audit.kafka.send_errors_total", unit="{error}", description="Times Kafka did not accept what was sent"
        )
        self._batch = meter.create_histogram("audit.batch.size_events", unit="{event}", description="Events in a batch")
        self._fallback = meter.create_counter(
            "audit.fallback.events_total", unit="{event}", description="Events stored in the fallback"
        )
        self._replayed = meter.create_counter(
            "audit.fallback.replayed_total", unit="{event}", description="Stored events that reached the topic"
        )
        self._rejected = meter.create_counter(
            "audit.fallback.rejected_total", unit="{event}", description="Stored events that Kafka will never accept"
        )
        self._unmarked = meter.create_counter(
            "audit.recovered.unmarked_total",
            unit="{event}",
            description="Events of an earlier version that were sent without a mark of this service",
        )
        self._refused = meter.create_counter(
            "audit.events.refused_total", unit="{event}", description="Events that were not accepted, by error"
        )

        self._lost = meter.create_counter(
            "audit.events.lost_total",
            unit="{event}",
            description="Events that failed while nobody waited on their receipt, by error",
        )

    def observe(self, gauges: Gauges) -> None:
        """Have the SDK read the gauges for as long as their object lives: a meter outlives a pipeline."""
        reference = weakref.ref(gauges)
        for name, (unit, description) in _GAUGES.items():
            self._meter.create_observable_gauge(
                name, callbacks=[_reader(reference, name)], unit=unit, description=description
            )

    def batch(self, events: int, seal_seconds: float, sealed: int) -> None:
        """Record a batch that is sent, and the sealing since the last one."""
        self._batch.record(events, self._topic)
        if sealed:
            self._seal.record(seal_seconds / sealed * 1_000)

    def delivered(self, events: int) -> None:
        """Count events acknowledged by Kafka."""
        self._processed.add(events, {**self._topic, "outcome": "delivered"})

    def stored(self, events: int, *, provider: str, reason: str) -> None:
        """Count events stored in the fallback."""
        self._processed.add(events, {**self._topic, "outcome": "stored"})
        self._fallback.add(events, {"provider": provider, "reason": reason})

    def failed(self, events: int) -> None:
        """Count accepted events that failed."""
        self._processed.add(events, {**self._topic, "outcome": "failed"})

    def refused(self, error: str, *, calls: int = 1) -> None:
        """Count events that were not accepted."""
        self._refused.add(calls, {"error": error})

    def lost(self, error: str, *, events: int) -> None:
        """Count events that failed while nobody waited on their receipt."""
        self._lost.add(events, {"error": error})

    def send_error(self, kind: str) -> None:
        """Count that Kafka did not accept what was sent."""
        self._send_errors.add(1, {**self._topic, "error": kind})

    def replayed(self, events: int) -> None:
        """Count stored events that reached the topic."""
        self._replayed.add(events, self._topic)

    def rejected(self, events: int, *, reason: str) -> None:
        """Count stored events that Kafka will never accept."""
        self._rejected.add(events, {**self._topic, "reason": reason})

    def unmarked(self, events: int) -> None:
        """Count events that were sent without a mark of this service."""
        self._unmarked.add(events, self._topic)


class BatchMetrics:
    """Records the size of each batch, and the time that sealing its events took; the sender calls it.

    Args:
        metrics: The instruments.
        timer: Measures sealing.
    """

    def __init__(self, metrics: AuditMetrics, *, timer: SealTimer) -> None:
        self._metrics = metrics
        self._timer = timer

    def before_send(self, records: Sequence[SealedRecord]) -> Iterable[SealedRecord]:
        """Record a batch; an empty one is none."""
        if records:
            seconds, sealed = self._timer.take_seal_time()
            self._metrics.batch(len(records), seconds, sealed)
        return ()


def _reader(reference: weakref.ReferenceType[Gauges], name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def read(_options: CallbackOptions) -> Iterable[Observation]:
        gauges = reference()
        if gauges is None:
            return []
        value = gauges.gauges().get(name)
        return [] if value is None else [Observation(value)]

    return read
