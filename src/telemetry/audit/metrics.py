"""What the pipeline tells OpenTelemetry. Attributes are few and never hold a user, a payload or a key."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Protocol

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from telemetry.version import __version__


class Gauges(Protocol):
    """What can be read from a pipeline at any moment."""

    def gauges(self) -> dict[str, float]:
        """Return the values by metric name."""


_GAUGES: dict[str, tuple[str, str]] = {
    "audit.queue.events": ("{event}", "Accepted events that are not settled"),
    "audit.queue.bytes": ("By", "Their sealed size"),
    "audit.queue.waiting_calls": ("{call}", "log() calls that wait for room or for a data key"),
    "audit.oldest_undelivered_age_seconds": ("s", "Age of the oldest event that is not settled"),
    "audit.spool.bytes": ("By", "Size of the spool segment"),
    "audit.fallback.backlog_objects": ("{object}", "Objects of this process that wait for replay"),
    "audit.fallback.backlog_events": ("{event}", "Events in them"),
    "audit.fallback.backlog_bytes": ("By", "Their size"),
    "audit.fallback.oldest_age_seconds": ("s", "Age of the oldest of them"),
    "audit.data_key.uses_left": ("{use}", "Events that the current data key may still seal"),
    "audit.data_key.age_seconds": ("s", "Age of the current data key"),
    "audit.kms.last_call_ms": ("ms", "Duration of the last call to the key service"),
    "audit.kafka.diverted": ("1", "1 while events go to the fallback, else 0"),
}


class AuditMetrics:
    """The instruments of one pipeline, made through the OpenTelemetry API.

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
            "audit.kafka.send_errors_total", unit="{error}", description="Times Kafka did not take what was sent"
        )
        self._batch = meter.create_histogram("audit.batch.size_events", unit="{event}", description="Events in a batch")
        self._fallback = meter.create_counter(
            "audit.fallback.events_total", unit="{event}", description="Events stored in the fallback"
        )
        self._replayed = meter.create_counter(
            "audit.fallback.replayed_total", unit="{event}", description="Stored events that reached the topic"
        )
        self._rejected = meter.create_counter(
            "audit.fallback.rejected_total", unit="{event}", description="Stored events that Kafka will never take"
        )
        self._refused = meter.create_counter(
            "audit.events.refused_total", unit="{event}", description="log() calls that raised, by error"
        )

    def observe(self, pipeline: Gauges) -> None:
        """Let the SDK read the pipeline's gauges for as long as the pipeline lives."""
        reference = weakref.ref(pipeline)
        for name, (unit, description) in _GAUGES.items():
            self._meter.create_observable_gauge(
                name, callbacks=[_reader(reference, name)], unit=unit, description=description
            )

    def batch(self, events: int, seal_seconds: float, sealed: int) -> None:
        """Note a batch handed on, and the sealing since the last one."""
        self._batch.record(events, self._topic)
        if sealed:
            self._seal.record(seal_seconds / sealed * 1_000)

    def delivered(self, events: int) -> None:
        """Note events acknowledged by Kafka."""
        self._processed.add(events, {**self._topic, "outcome": "delivered"})

    def stored(self, events: int, *, provider: str, reason: str) -> None:
        """Note events stored in the fallback."""
        self._processed.add(events, {**self._topic, "outcome": "stored"})
        self._fallback.add(events, {"provider": provider, "reason": reason})

    def failed(self, events: int) -> None:
        """Note accepted events that failed."""
        self._processed.add(events, {**self._topic, "outcome": "failed"})

    def refused(self, error: str, *, calls: int = 1) -> None:
        """Note ``log()`` calls that raised."""
        self._refused.add(calls, {"error": error})

    def send_error(self, kind: str) -> None:
        """Note that Kafka did not take what was sent."""
        self._send_errors.add(1, {**self._topic, "error": kind})

    def replayed(self, events: int) -> None:
        """Note stored events that reached the topic."""
        self._replayed.add(events, self._topic)

    def rejected(self, events: int, *, reason: str) -> None:
        """Note stored events that Kafka will never take."""
        self._rejected.add(events, {**self._topic, "reason": reason})


def _reader(reference: weakref.ReferenceType[Gauges], name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def read(_options: CallbackOptions) -> Iterable[Observation]:
        pipeline = reference()
        if pipeline is None:
            return []
        value = pipeline.gauges().get(name)
        return [] if value is None else [Observation(value)]

    return read
