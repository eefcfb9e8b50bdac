"""Searches for the plaintext of a payload everywhere that it could leak to."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from telemetry.exceptions import EventError, TelemetryError
from telemetry.sync import Telemetry
from telemetry.types import AuditConfig, AuditStats, TelemetryConfig
from tests.services.fixtures import new_topic
from tests.services.kafka import KafkaBroker

CANARY = "canary-7f3a91-plaintext"
SECRET = "canary-7f3a91-passphrase"

pytestmark = pytest.mark.services


def _config(broker: KafkaBroker, topic: str, folder: Path) -> TelemetryConfig:
    values: dict[str, Any] = broker.audit_options("SSL") | {
        "kafka_topic": topic,
        "kafka_timeout_ms": 5_000,
        "max_retries": 1,
        "fallback_object_seconds": 0.2,
        "spool_path": folder / "spool",
        "encryption_config": {"provider": "local_key", "key_path": folder / "key", "passphrase": SECRET},
        "storage_config": {"provider": "local_file", "base_path": folder / "fallback"},
    }
    return TelemetryConfig(service_name="canary", audit_config=AuditConfig(**values))


def _files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def _provoke_errors(telemetry: Telemetry) -> list[TelemetryError]:
    errors: list[TelemetryError] = []
    unfit: list[tuple[str, Any, str]] = [
        ("t", {"a": CANARY, "b": object()}, "u"),
        ("t", {"a": float("nan"), "b": CANARY}, "u"),
        ("t", {"a": CANARY + "\ud800"}, "u"),
        (CANARY + "\n", {}, "u"),
        ("t", {"a": CANARY * 20_000}, "u"),
    ]
    for event_type, payload, user in unfit:
        with pytest.raises(EventError) as caught:
            telemetry.audit.log(event_type, payload, user)
        errors.append(caught.value)
    return errors


def test_plaintext_is_found_nowhere(
    own_kafka: Callable[..., KafkaBroker],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    metering = MeterProvider(metric_readers=[reader])
    monkeypatch.setattr(metrics, "get_meter", metering.get_meter)
    broker = own_kafka()
    topic = new_topic(broker)
    config = _config(broker, topic, tmp_path)
    telemetry = Telemetry(config)
    telemetry.start()

    with tracing.get_tracer("test").start_as_current_span("request"):
        receipt = telemetry.audit.log("login", {"card": CANARY}, "user-1", ip_address=CANARY, reason=CANARY)
        receipt.wait_delivered(120)
    errors = _provoke_errors(telemetry)
    broker.stop()
    stored = telemetry.audit.log("login", {"card": CANARY}, "user-1", session_id=CANARY)
    assert stored.wait_delivered(120).fallback_object is not None
    on_disk = _files(tmp_path / "fallback") + _files(tmp_path / "spool")
    measured = reader.get_metrics_data()
    stats = telemetry.audit.get_audit_stats()
    telemetry.shutdown()
    broker.start()
    (record,) = broker.read(topic)

    shown = [repr(thing) for thing in (config, telemetry, telemetry.audit, receipt, stored, stats, receipt.delivery)]
    shown += ["".join(traceback.format_exception(error)) for error in errors]
    shown += [caplog.text, str(measured), *(span.to_json() for span in spans.get_finished_spans())]
    everything = "\n".join(shown).encode() + on_disk + bytes(record.value() or b"") + bytes(record.key() or b"")
    assert isinstance(stats, AuditStats)
    assert b"user-1:canary" in everything
    assert b"audit.events.processed_total" in everything
    assert b"traceparent" in everything
    assert CANARY.encode() not in everything
    assert SECRET.encode() not in everything
    assert trace.get_current_span() is trace.INVALID_SPAN
