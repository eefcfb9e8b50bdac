"""Batches have spans and events keep their trace, through a real broker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from telemetry.sync import Telemetry
from tests.services.fixtures import new_topic
from tests.services.kafka import KafkaBroker
from tests.support.kafka_configs import audit_config, identity, stored_in
from tests.support.until import until

pytestmark = pytest.mark.services

_LIMIT = 60.0
_USER = "canary-user"


class _Tracing:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def batches(self) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.kind is SpanKind.PRODUCER]


@pytest.fixture
def tracing(monkeypatch: pytest.MonkeyPatch) -> _Tracing:
    tracing = _Tracing()
    monkeypatch.setattr(trace, "get_tracer", tracing.provider.get_tracer)
    return tracing


def test_each_batch_has_span_without_key(kafka: KafkaBroker, topic: str, tracing: _Tracing) -> None:
    config = audit_config(kafka, "SSL", identity(kafka.certificates, "files"), kafka_topic=topic, trace_batches=True)
    telemetry = Telemetry(config)
    telemetry.start()
    for number in range(50):
        telemetry.audit.log("login", {"number": number}, _USER)
    telemetry.shutdown()

    spans = tracing.batches()
    counts = [dict(span.attributes or {})["messaging.batch.message_count"] for span in spans]
    assert sum(int(str(count)) for count in counts) == 50
    for span in spans:
        attributes = dict(span.attributes or {})
        del attributes["messaging.batch.message_count"]
        assert attributes == {
            "messaging.system": "kafka",
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.destination.name": topic,
            "messaging.client.id": "telemetry",
        }
        assert span.name == f"send {topic}"
        assert span.status.status_code is StatusCode.UNSET
        assert _USER not in span.to_json()


def test_no_span_unless_configured(kafka: KafkaBroker, topic: str, tracing: _Tracing) -> None:
    telemetry = Telemetry(audit_config(kafka, "SSL", identity(kafka.certificates, "files"), kafka_topic=topic))
    telemetry.start()
    telemetry.audit.log("login", {}, _USER)
    telemetry.shutdown()

    assert tracing.batches() == []


@pytest.mark.timeout(300)  # a broker is killed and starts again
def test_unacknowledged_batch_span_ends_with_error(
    own_kafka: Callable[..., KafkaBroker], tmp_path: Path, tracing: _Tracing
) -> None:
    broker = own_kafka()
    topic = new_topic(broker)
    fields: dict[str, Any] = {"kafka_timeout_ms": 3_000, "trace_batches": True, **stored_in(tmp_path)}
    own = identity(broker.certificates, "files")
    telemetry = Telemetry(audit_config(broker, "SSL", own, kafka_topic=topic, **fields))
    telemetry.start()
    tracer = tracing.provider.get_tracer("application")
    traces = []
    for kind in ("direct", "through the fallback"):
        with tracer.start_as_current_span("request") as span:
            receipt = telemetry.audit.log(kind, {}, _USER)
            traces.append(f"{span.get_span_context().trace_id:032x}")
        stored = receipt.wait_delivered(_LIMIT).fallback_object is not None
        assert stored == (kind != "direct")
        if kind == "direct":
            broker.kill()
    broker.start()
    until(lambda: telemetry.audit.get_audit_stats().replayed == 1)
    telemetry.shutdown()

    failed = [span for span in tracing.batches() if span.status.status_code is StatusCode.ERROR]
    assert [dict(span.attributes or {})["error.type"] for span in failed] == ["TransportError"]
    values = [msgspec.json.decode(bytes(record.value() or b"")) for record in broker.read(topic)]
    assert [value["traceparent"].split("-")[1] for value in values] == traces
    assert all(_USER not in span.to_json() for span in tracing.batches())
