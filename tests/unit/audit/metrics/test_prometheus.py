"""What a Prometheus server reads: the names, types, units, first zeros and buckets of the exporter's real output."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from wsgiref.simple_server import WSGIServer

import pytest
from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.support.quick_telemetry import NOWHERE, quick_config, running


class Scrape:
    """One answer of the exporter."""

    def __init__(self, port: int) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        self.families: dict[str, Metric] = {
            family.name: family for family in text_string_to_metric_families(text) if family.name.startswith("audit")
        }

    def samples(self, name: str) -> dict[tuple[str, ...], float]:
        return {
            tuple(value for label, value in sorted(sample.labels.items()) if not label.startswith("otel")): sample.value
            for family in self.families.values()
            for sample in family.samples
            if sample.name == name
        }


@pytest.fixture
def scrape_port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    reader = PrometheusMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    monkeypatch.setattr(metrics, "get_meter", provider.get_meter)
    server: WSGIServer
    thread: Thread
    server, thread = start_http_server(0, addr="127.0.0.1")
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join(60)
    provider.shutdown()
    assert not [name for name in REGISTRY._names_to_collectors if name.startswith("audit")]


def test_names_units_zeros_and_buckets(scrape_port: int, tmp_path: Path) -> None:
    with running(quick_config(NOWHERE, tmp_path)) as telemetry:
        first = Scrape(scrape_port)
        for number in range(20):
            telemetry.audit.log("step", {"n": number}, "ada").wait_durable(60)
        second = Scrape(scrape_port)

    assert set(first.families) | set(second.families) == {
        *("audit_events_processed", "audit_events_refused", "audit_events_lost", "audit_kafka_send_errors"),
        *("audit_fallback_events", "audit_fallback_replayed", "audit_fallback_rejected", "audit_recovered_unmarked"),
        *("audit_batch_size_events", "audit_encryption_duration_ms"),
        *("audit_queue_events", "audit_queue_bytes", "audit_queue_waiting_calls", "audit_kafka_diverted"),
        *("audit_queue_fill", "audit_hooks_failed"),
        *("audit_oldest_undelivered_age_seconds", "audit_fallback_backlog_objects", "audit_fallback_backlog_events"),
        *("audit_fallback_backlog_bytes", "audit_fallback_oldest_age_seconds", "audit_fallback_lock_waiting_seconds"),
    }
    kinds = {name: family.type for name, family in second.families.items()}
    assert kinds["audit_events_lost"] == "counter"
    assert kinds["audit_encryption_duration_ms"] == kinds["audit_batch_size_events"] == "histogram"
    assert kinds["audit_queue_bytes"] == "gauge"

    assert first.samples("audit_events_lost_total")[("BackpressureError",)] == 0
    assert first.samples("audit_events_processed_total")[("stored", "audit-events")] == 0
    assert first.samples("audit_fallback_events_total")[("local_file", "unavailable")] == 0
    assert second.samples("audit_events_processed_total")[("stored", "audit-events")] == 20

    buckets = [key[0] for key in second.samples("audit_encryption_duration_ms_bucket")]
    assert {"0.002", "0.05", "+Inf"} <= set(buckets)
    counts = [key[0] for key in second.samples("audit_batch_size_events_bucket")]
    assert {"1", "1000", "10000"} <= set(counts)
