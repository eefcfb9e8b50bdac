"""One OpenTelemetry span for each batch on its way to Kafka, where the configuration asks for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from telemetry.audit.record import SealedRecord
from telemetry.exceptions import TransportError


class _Sent(NamedTuple):
    records: deque[SealedRecord]
    span: Span


class BatchSpans:
    """Begins a span when a batch is handed to Kafka's client and ends it when each of its records is acknowledged.

    Names and attributes follow the OpenTelemetry semantic conventions for messaging (1.30, spans of kind PRODUCER and
    the Kafka page). No key, user or payload is ever an attribute.

    Args:
        topic: Where records go.
        client_id: librdkafka's ``client.id``.
    """

    def __init__(self, *, topic: str, client_id: str) -> None:
        self._tracer = trace.get_tracer("telemetry.audit")
        self._name = f"send {topic}"
        self._attributes = {
            "messaging.system": "kafka",
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.destination.name": topic,
            "messaging.client.id": client_id,
        }
        self._lock = threading.Lock()
        self._sent: deque[_Sent] = deque()

    def began(self, records: Sequence[SealedRecord]) -> None:
        """Begin the span of a batch."""
        span = self._tracer.start_span(
            self._name,
            # A batch belongs to many traces, hence to none: each event keeps its own traceparent.
            context=context.Context(),
            kind=SpanKind.PRODUCER,
            attributes={**self._attributes, "messaging.batch.message_count": len(records)},
        )
        with self._lock:
            self._sent.append(_Sent(deque(records), span))

    def settled(self) -> None:
        """End the spans of batches whose records are all acknowledged."""
        with self._lock:
            while self._sent and _all_delivered(self._sent[0].records):
                self._sent.popleft().span.end()

    def failed(self, error: TransportError | None) -> None:
        """End all spans that are left: Kafka did not acknowledge their batches."""
        with self._lock:
            left = [*self._sent]
            self._sent.clear()
        for sent in left:
            sent.span.set_status(Status(StatusCode.ERROR, "not acknowledged"))
            sent.span.set_attribute("error.type", type(error or TransportError()).__name__)
            sent.span.end()


def _all_delivered(records: deque[SealedRecord]) -> bool:
    while records and records[0].reported and records[0].error is None:
        records.popleft()
    return not records
