"""Reports the pipeline to OpenTelemetry. Attributes are few and never contain a user, a payload or a key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from opentelemetry import metrics

from telemetry import hook_failures
from telemetry.audit.metrics.labels import LOSSES, OUTCOMES, REFUSALS, SEND_ERRORS, label_of
from telemetry.audit.metrics.live_gauges import Combine, Gauges, forget, observe, reader
from telemetry.audit.record import SealedRecord
from telemetry.exceptions import TelemetryError
from telemetry.kafka.errors import BACKLOG, REASONS
from telemetry.version import __version__

_MILLISECONDS = "{ms}"
"""An annotation: a unit of its own would be written behind the name a second time, as in ``duration_ms_milliseconds``."""
_SEAL_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 50.0)
_BATCH_BUCKETS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000)


class SealTimer(Protocol):
    """Measures how long sealing takes; the intake, in a pipeline."""

    def take_seal_time(self) -> tuple[float, int]:
        """Return seconds spent on sealing since the last call, and of how many events."""


_GAUGES: dict[str, tuple[str, str, Combine]] = {
    "audit.queue.events": ("{event}", "Accepted events that are not settled", sum),
    "audit.queue.bytes": ("By", "Their sealed size", sum),
    "audit.queue.fill": ("", "Part of the bounds of queue and spool that is used, 0 to 1", max),
    "audit.queue.waiting_calls": ("{event}", "Events that wait for room or for a data key", sum),
    "audit.streams.open": ("{stream}", "Streams of other services that are open", sum),
    "audit.streams.fullest_share": ("", "Fill of the fullest share of the queue, from 0 to 1", max),
    "audit.oldest_undelivered_age_seconds": ("s", "Age of the oldest event that is not settled", max),
    "audit.spool.bytes": ("By", "Size of the spool segment", sum),
    "audit.spool.broken": ("", "1 while the spool's disk accepts nothing, so events are not durable, else 0", max),
    "audit.fallback.backlog_objects": ("{object}", "Objects of this process that wait for replay", sum),
    "audit.fallback.backlog_events": ("{event}", "Events in them", sum),
    "audit.fallback.backlog_bytes": ("By", "Their size", sum),
    "audit.fallback.oldest_age_seconds": ("s", "Age of the oldest of them", max),
    "audit.fallback.lock_waiting_seconds": (
        "s",
        "How long another process has had the lock of the replay without progress",
        max,
    ),
    "audit.data_key.uses_left": ("{use}", "Events that the current data key may still seal", min),
    "audit.data_key.age_seconds": ("s", "Age of the current data key", max),
    "audit.data_key.overdue": ("", "1 while a new data key is due and the key service gives none, else 0", max),
    "audit.subject_keys.cached": ("{key}", "Subjects whose keys are in memory", sum),
    "audit.subject_keys.unreachable": ("", "1 while the store of subjects' keys gives none, else 0", max),
    "audit.kms.last_call_ms": (_MILLISECONDS, "Duration of the last call to the key service", max),
    "audit.kafka.diverted": ("", "1 while events go to the fallback, else 0", max),
}


class AuditMetrics:
    """The instruments of one pipeline, created through the OpenTelemetry API.

    Without an SDK they cost next to nothing. Every series of a counter begins with 0 here, so that the first loss is a rise:
    an application sets its SDK up before ``start()``.

    Args:
        topic: Kafka topic, an attribute of the counters.
        provider: Name of the fallback store; None where there is none.
    """

    def __init__(self, *, topic: str, provider: str | None = None) -> None:
        meter = metrics.get_meter("telemetry", __version__)
        self._meter = meter
        self._topic = {"topic": topic}
        self._processed = meter.create_counter(
            "audit.events.processed_total", unit="{event}", description="Events settled, by outcome"
        )
        self._seal = meter.create_histogram(
            "audit.encryption.duration_ms",
            unit=_MILLISECONDS,
            description="Mean time to seal one event, once a batch",
            explicit_bucket_boundaries_advisory=_SEAL_BUCKETS,
        )
        self._send_errors = meter.create_counter(
            "audit.kafka.send_errors_total", unit="{error}", description="Times Kafka did not accept what was sent"
        )
        self._batch = meter.create_histogram(
            "audit.batch.size_events",
            unit="{event}",
            description="Events in a batch",
            explicit_bucket_boundaries_advisory=_BATCH_BUCKETS,
        )
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
        self._begin_with_zero(provider)

    def observe(self, gauges: Gauges) -> None:
        """Have the SDK read the gauges until :meth:`forget`, or until their object is gone: a meter outlives a pipeline."""
        observe(gauges, topic=self._topic["topic"])
        for name, (unit, description, combine) in _GAUGES.items():
            self._meter.create_observable_gauge(
                name, callbacks=[reader(name, combine)], unit=unit, description=description
            )

    def forget(self, gauges: Gauges) -> None:
        """Have the SDK no longer read the gauges."""
        forget(gauges)

    def _begin_with_zero(self, provider: str | None) -> None:
        for outcome in OUTCOMES:
            self._processed.add(0, {**self._topic, "outcome": outcome})
        for error in REFUSALS:
            self._refused.add(0, {"error": error})
        for error in LOSSES:
            self._lost.add(0, {"error": error})
        for error in SEND_ERRORS:
            self._send_errors.add(0, {**self._topic, "error": error})
        for reason in REASONS:
            self._rejected.add(0, {**self._topic, "reason": reason})
        for reason in (*REASONS, BACKLOG) if provider is not None else ():
            self._fallback.add(0, {"provider": provider or "", "reason": reason})
        hook_failures.begin_with_zero()
        self._replayed.add(0, self._topic)
        self._unmarked.add(0, self._topic)

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

    def refused(self, error: TelemetryError, *, calls: int = 1) -> None:
        """Count events that were not accepted."""
        self._refused.add(calls, {"error": label_of(error, REFUSALS)})

    def lost(self, error: TelemetryError, *, events: int) -> None:
        """Count events that failed while nobody waited on their receipt."""
        self._lost.add(events, {"error": label_of(error, LOSSES)})

    def send_error(self, error: TelemetryError) -> None:
        """Count that Kafka did not accept what was sent."""
        self._send_errors.add(1, {**self._topic, "error": label_of(error, SEND_ERRORS)})

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
