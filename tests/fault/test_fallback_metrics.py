"""Reads the fallback's metrics as an operator does, through the SDK of OpenTelemetry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint

from telemetry.testing import EmbeddedKafka
from tests.support.faulty_services import FaultyStore
from tests.support.quick_telemetry import quick_config, running
from tests.support.until import until

_TOO_LARGE = 10


class Meter:
    """The sums and gauges of this library."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider(metric_readers=[self._reader])

    def read(self) -> dict[str, list[tuple[dict[str, Any], float]]]:
        """Return attributes and value of each point, by metric; series of a counter that are still at 0 are left out."""
        points: dict[str, list[tuple[dict[str, Any], float]]] = {}
        data = self._reader.get_metrics_data()
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        if isinstance(point, NumberDataPoint) and (point.value or not metric.name.endswith("_total")):
                            points.setdefault(metric.name, []).append((dict(point.attributes or {}), point.value))
        return points

    def value(self, name: str) -> float:
        """Return the one value of a metric; 0 where there is none yet."""
        points = self.read().get(name, [])
        return points[0][1] if points else 0


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Meter:
    meter = Meter()
    monkeypatch.setattr(metrics, "get_meter", meter.provider.get_meter)
    return meter


@pytest.fixture
def kafka_beside() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as broker:
        yield broker


def test_meter_shows_an_outage(meter: Meter, kafka_beside: EmbeddedKafka, tmp_path: Path) -> None:
    store = FaultyStore()
    config = quick_config(
        kafka_beside.bootstrap_servers, tmp_path, storage_config=store.config, kafka_timeout_ms=3_000, max_retries=0
    )
    with running(config) as telemetry:
        kafka_beside.stop_brokers()
        receipts = [telemetry.audit.log("step", {"n": number}, f"user-{number % 3}") for number in range(30)]
        for receipt in receipts:
            assert receipt.wait_delivered(120).fallback_object is not None

        (point,) = meter.read()["audit.fallback.events_total"]
        assert point == ({"provider": config.storage_config.provider, "reason": "unavailable"}, 30)  # type: ignore[union-attr]
        objects = {name: data for name, data in store.objects.items() if name.startswith("audit-events/")}
        assert meter.value("audit.fallback.backlog_events") == 30
        assert meter.value("audit.fallback.backlog_objects") == len(objects)
        assert meter.value("audit.fallback.backlog_bytes") == sum(len(data) for data in objects.values())
        age = meter.value("audit.fallback.oldest_age_seconds")
        assert age > 0
        until(lambda: meter.value("audit.fallback.oldest_age_seconds") > age, what="the aging")
        assert meter.value("audit.kafka.diverted") == 1

        kafka_beside.start_brokers()
        until(lambda: meter.value("audit.fallback.replayed_total") == 30, timeout=180, what="the replay")
        until(lambda: meter.value("audit.kafka.diverted") == 0, timeout=180, what="direct sending")
        assert meter.value("audit.fallback.backlog_events") == 0
        assert meter.value("audit.fallback.oldest_age_seconds") == 0
        assert meter.value("audit.fallback.rejected_total") == 0


def test_meter_shows_what_kafka_refuses(meter: Meter, kafka_beside: EmbeddedKafka, tmp_path: Path) -> None:
    store = FaultyStore()
    config = quick_config(kafka_beside.bootstrap_servers, tmp_path, storage_config=store.config)
    with running(config) as telemetry:
        kafka_beside.fail_produce(_TOO_LARGE, count=10_000)
        telemetry.audit.log("step", {}, "ada").wait_delivered(120)
        until(lambda: meter.value("audit.fallback.rejected_total") == 1, what="the refusal")
        kafka_beside.fail_produce(0, count=0)

        (point,) = meter.read()["audit.fallback.rejected_total"]
        assert point == ({"topic": "audit-events", "reason": "too_large"}, 1)
        ((attributes, count),) = meter.read()["audit.fallback.events_total"]
        assert (attributes["reason"], count) == ("too_large", 1)
        assert meter.value("audit.fallback.backlog_events") == 0
