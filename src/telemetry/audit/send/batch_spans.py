"""Records one OpenTelemetry span for each batch on its way to Kafka, where the configuration enables it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from telemetry.audit.record import SealedRecord
from telemetry.exceptions import TransportError


class _OpenSpan(NamedTuple):
    records: deque[SealedRecord]
    span: Span


class BatchSpans:
    """Starts a span when a batch is handed to Kafka's client and ends it when each of its records is acknowledged.

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
        # The sender starts spans and ends failed ones; the polling thread ends acknowledged ones.
        self._lock = threading.Lock()
        self._open_spans: deque[_OpenSpan] = deque()

    def begin(self, records: Sequence[SealedRecord]) -> None:
        """Start the span of a batch; runs in the sender, before the client has the records."""
        span = self._tracer.start_span(
            self._name,
            # A batch belongs to many traces, hence to none: each event keeps its own traceparent.
            context=context.Context(),
            kind=SpanKind.PRODUCER,
            attributes={**self._attributes, "messaging.batch.message_count": len(records)},
        )
        with self._lock:
            self._open_spans.append(_OpenSpan(deque(records), span))

    def end_acknowledged(self) -> None:
        """End the spans of batches that are completely acknowledged; runs in the polling thread."""
        with self._lock:
            # Batches are acknowledged in order, up to the partitions: a later one waits for the first, at most a moment.
            while self._open_spans and _all_acknowledged(self._open_spans[0].records):
                self._open_spans.popleft().span.end()

    def end_failed(self, error: TransportError | None) -> None:
        """End all open spans as failed: Kafka did not acknowledge their batches.

        Args:
            error: Why the transport failed; None where it was ended without a failure.
        """
        with self._lock:
            unacknowledged = [*self._open_spans]
            self._open_spans.clear()
        for batch in unacknowledged:
            batch.span.set_status(Status(StatusCode.ERROR, "not acknowledged"))
            batch.span.set_attribute("error.type", type(error or TransportError()).__name__)
            batch.span.end()


def _all_acknowledged(records: deque[SealedRecord]) -> bool:
    # What is acknowledged is removed, so that no record is looked at twice.
    while records and records[0].reported and records[0].error is None:
        records.popleft()
    return not records
