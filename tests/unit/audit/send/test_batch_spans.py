from __future__ import annotations

import pytest
from confluent_kafka import KafkaError
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.batch_spans import BatchSpans
from telemetry.exceptions import RecordTooLargeError


class _Bench:
    """Spans of batches, and those of them that have ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        monkeypatch.setattr(trace, "get_tracer", self.provider.get_tracer)
        self.spans = BatchSpans(topic="events", client_id="telemetry")

    def ended(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def counts(self) -> list[object]:
        return [(span.attributes or {})["messaging.batch.message_count"] for span in self.ended()]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> _Bench:
    return _Bench(monkeypatch)


def _records(count: int) -> list[SealedRecord]:
    return [
        SealedRecord.written(str(number), producer="p", sequence=number, key=b"k", value=b"v")
        for number in range(count)
    ]


def _acknowledge(records: list[SealedRecord]) -> None:
    for record in records:
        record.reported = True


def test_span_ends_with_last_acknowledgement(bench: _Bench) -> None:
    records = _records(3)
    bench.spans.begin(records)
    _acknowledge(records[:2])
    bench.spans.end_acknowledged()
    assert bench.ended() == []

    _acknowledge(records[2:])
    bench.spans.end_acknowledged()

    (span,) = bench.ended()
    assert (span.name, span.status.status_code) == ("send events", StatusCode.UNSET)
    assert bench.counts() == [3]


def test_spans_end_in_order_of_batches(bench: _Bench) -> None:
    first, second = _records(1), _records(2)
    bench.spans.begin(first)
    bench.spans.begin(second)
    _acknowledge(second)
    bench.spans.end_acknowledged()
    assert bench.ended() == []

    _acknowledge(first)
    bench.spans.end_acknowledged()

    assert bench.counts() == [1, 2]


def test_refused_record_keeps_span_open(bench: _Bench) -> None:
    records = _records(2)
    bench.spans.begin(records)
    records[0].error = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
    _acknowledge(records)

    bench.spans.end_acknowledged()

    assert bench.ended() == []


def test_failure_ends_open_spans_with_error(bench: _Bench) -> None:
    bench.spans.begin(_records(1))
    bench.spans.begin(_records(2))

    bench.spans.end_failed(RecordTooLargeError("too large"))

    assert bench.counts() == [1, 2]
    assert {span.status.status_code for span in bench.ended()} == {StatusCode.ERROR}
    assert {(span.attributes or {})["error.type"] for span in bench.ended()} == {"RecordTooLargeError"}


def test_end_without_failure_is_transport_error(bench: _Bench) -> None:
    bench.spans.begin(_records(1))

    bench.spans.end_failed(None)
    bench.spans.end_failed(None)

    (span,) = bench.ended()
    assert (span.attributes or {})["error.type"] == "TransportError"


def test_batch_span_has_no_parent(bench: _Bench) -> None:
    with bench.provider.get_tracer("application").start_as_current_span("request"):
        bench.spans.begin(_records(1))
    bench.spans.end_failed(None)

    (batch,) = (span for span in bench.ended() if span.name == "send events")
    assert batch.parent is None
