from __future__ import annotations

import gc
import os
from typing import Any

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from telemetry.audit.metrics import live_gauges
from telemetry.audit.metrics.instruments import AuditMetrics, BatchMetrics
from telemetry.exceptions import KeyUnreachableError, TelemetryError
from tests.support.leftovers import records


class Gauges:
    def gauges(self) -> dict[str, float]:
        return {"audit.queue.events": 7, "audit.kafka.diverted": 0}


class Timer:
    def __init__(self) -> None:
        self.time = (0.008, 4)

    def take_seal_time(self) -> tuple[float, int]:
        taken, self.time = self.time, (0.0, 0)
        return taken


class Bench:
    """Instruments that report to a reader in memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(live_gauges, "_live", {})
        self._reader = InMemoryMetricReader()
        provider = MeterProvider(metric_readers=[self._reader])
        monkeypatch.setattr(metrics, "get_meter", provider.get_meter)
        self.metrics = AuditMetrics(topic="audit-events", provider="local_file")

    def points(self, name: str) -> list[Any]:
        data = self._reader.get_metrics_data()
        if data is None:
            return []
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_settled_events_are_counted_by_outcome(bench: Bench) -> None:
    bench.metrics.delivered(5)
    bench.metrics.stored(3, provider="local_file", reason="unreachable")
    bench.metrics.failed(1)

    points = bench.points("audit.events.processed_total")
    assert {(point.attributes["outcome"], point.value) for point in points} == {
        ("delivered", 5),
        ("stored", 3),
        ("failed", 1),
    }
    assert {point.attributes["topic"] for point in points} == {"audit-events"}


def test_stored_events_name_provider_and_reason(bench: Bench) -> None:
    bench.metrics.stored(3, provider="local_file", reason="unreachable")

    (point,) = [point for point in bench.points("audit.fallback.events_total") if point.value]
    assert dict(point.attributes) == {"provider": "local_file", "reason": "unreachable"}


def test_every_series_begins_with_zero(bench: Bench) -> None:
    def series(name: str, attribute: str) -> set[str]:
        points = bench.points(name)
        assert {point.value for point in points} == {0}
        return {point.attributes[attribute] for point in points}

    assert series("audit.events.processed_total", "outcome") == {"delivered", "stored", "failed"}
    assert series("audit.events.refused_total", "error") >= {"EventError", "BackpressureError", "KeyUnreachableError"}
    assert series("audit.events.lost_total", "error") >= {"BackpressureError", "RecordTooLargeError", "SpoolError"}
    assert series("audit.kafka.send_errors_total", "error") >= {"TransportError", "TransportTLSError"}
    assert series("audit.fallback.rejected_total", "reason") >= {"too_large", "unavailable"}
    assert series("audit.fallback.events_total", "reason") >= {"backlog", "tls"}
    assert series("audit.fallback.replayed_total", "topic") == {"audit-events"}
    assert series("audit.recovered.unmarked_total", "topic") == {"audit-events"}
    assert series("audit.hooks.failed_total", "hook") == {"audited", "audit_context"}


def test_error_of_a_provider_counts_as_its_kind(bench: Bench) -> None:
    class OwnError(KeyUnreachableError):
        pass

    class StrangeError(TelemetryError):
        pass

    bench.metrics.refused(OwnError("x"), calls=2)
    bench.metrics.lost(StrangeError("x"), events=3)

    counted = {point.attributes["error"]: point.value for point in bench.points("audit.events.refused_total")}
    assert counted["KeyUnreachableError"] == 2
    lost = {point.attributes["error"]: point.value for point in bench.points("audit.events.lost_total")}
    assert lost["TelemetryError"] == 3


def test_two_pipelines_of_a_process_are_both_seen(bench: Bench) -> None:
    first, second, other = Gauges(), Gauges(), Gauges()
    for gauges in (first, second):
        bench.metrics.observe(gauges)
    AuditMetrics(topic="payments").observe(other)

    def events() -> dict[str, float]:
        return {point.attributes["topic"]: point.value for point in bench.points("audit.queue.events")}

    assert events() == {"audit-events": 14, "payments": 7}
    assert [point.value for point in bench.points("audit.kafka.diverted")] == [0, 0]
    bench.metrics.forget(first)
    assert events() == {"audit-events": 7, "payments": 7}


def test_child_does_not_report_its_parent(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    gauges, own = Gauges(), Gauges()
    bench.metrics.observe(gauges)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert bench.points("audit.queue.events") == []

    bench.metrics.observe(own)
    assert [point.value for point in bench.points("audit.queue.events")] == [7]


def test_gauges_are_read_while_their_object_lives(bench: Bench) -> None:
    gauges = Gauges()
    bench.metrics.observe(gauges)
    assert [point.value for point in bench.points("audit.queue.events")] == [7]
    # A value that the pipeline does not have is not reported as zero.
    assert bench.points("audit.spool.bytes") == []

    del gauges
    gc.collect()

    assert bench.points("audit.queue.events") == []


def test_batch_records_size_and_mean_seal_time(bench: Bench) -> None:
    observer = BatchMetrics(bench.metrics, timer=Timer())

    assert not list(observer.before_send(records(6)))

    (size,) = bench.points("audit.batch.size_events")
    (duration,) = bench.points("audit.encryption.duration_ms")
    assert size.sum == 6
    assert duration.sum == pytest.approx(2.0)


def test_empty_batch_leaves_the_seal_time(bench: Bench) -> None:
    timer = Timer()

    BatchMetrics(bench.metrics, timer=timer).before_send([])

    assert timer.time == (0.008, 4)
    assert bench.points("audit.batch.size_events") == []
