"""Logs the records of one export request, and says what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from telemetry.gateway.otlp.correlated_log import SPAN, span_of
from telemetry.gateway.otlp.export_answer import Encoding
from telemetry.gateway.otlp.json_logs import json_records
from telemetry.gateway.otlp.log_record import LogRecord, RefusedRecord
from telemetry.gateway.otlp.mapping import event_name, mapped
from telemetry.gateway.otlp.protobuf_logs import protobuf_records
from telemetry.gateway.otlp.record_key import RecordKeys
from telemetry.gateway.submission.event_call import EventCall, RefusedEvent

NAMELESS = RefusedEvent(422, "it has no event name, so it is no audit event")
"""Stands for each record without an event name."""


class ExportBounds(NamedTuple):
    """What bounds a request.

    Attributes:
        max_records: Most records.
        max_depth: How deep their values may be nested.
    """

    max_records: int
    max_depth: int


class Export:
    """The records of one request.

    Args:
        body: The request, decompressed.
        encoding: How it is encoded.
        bounds: What bounds it.
        event_name_attributes: Attributes that may hold the name of an event.

    Raises:
        RefusedRequestError: The body is no export request (400), or has too many records (413).
    """

    def __init__(
        self, body: bytes, encoding: Encoding, bounds: ExportBounds, *, event_name_attributes: tuple[str, ...]
    ) -> None:
        self._body = body
        self._read = protobuf_records if encoding is Encoding.PROTOBUF else json_records
        self._bounds = bounds
        self._names = event_name_attributes

    def count_events(self) -> int:
        """Return how many of the records are events, by decoding all of them."""
        return sum(isinstance(record, LogRecord) and bool(self._name(record)) for record in self._records())

    def calls(self) -> Iterator[EventCall | RefusedEvent]:
        """Return for each record the call of ``log()``, created when it is asked for, or why there is none."""
        keys = RecordKeys()
        return (self._call(record, keys) for record in self._records())

    def _records(self) -> Iterator[LogRecord | RefusedRecord]:
        return self._read(self._body, max_records=self._bounds.max_records, max_depth=self._bounds.max_depth)

    def _name(self, record: LogRecord) -> str:
        return event_name(record, further=self._names)

    def _call(self, record: LogRecord | RefusedRecord, keys: RecordKeys) -> EventCall | RefusedEvent:
        if isinstance(record, RefusedRecord):
            return RefusedEvent(422, record.reason)
        name = self._name(record)
        if not name:
            return NAMELESS
        event = mapped(record, name)
        event.fields["idempotency_key"] = keys.key_of(record)
        # What an application cannot influence must not cost it the event: what does not fit is adjusted and marked.
        event.fields["unfit"] = "repr"
        span = span_of(record)
        if span is not None:
            event.fields[SPAN] = span
        return EventCall(event.event_type, event.payload, event.user_id, event.fields)
