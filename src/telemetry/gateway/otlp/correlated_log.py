"""Logs events in the span that their records name, so that they can be found by its trace."""

from __future__ import annotations

from typing import Any

from opentelemetry import context, trace

from telemetry.audit.receipt import Receipt
from telemetry.gateway.otlp.log_record import LogRecord
from telemetry.gateway.submission.submit import EventLog

SPAN = "span"
"""Name of the argument of :meth:`CorrelatedLog.log` that is none of ``log()``."""


def span_of(record: LogRecord) -> trace.SpanContext | None:
    """Return the span in which a record was made; None if it names no trace and span."""
    if not record.trace_id or not record.span_id:
        return None
    return trace.SpanContext(
        trace_id=int(record.trace_id, 16),
        span_id=int(record.span_id, 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(record.flags),
    )


class CorrelatedLog:
    """Logs as another service does, within spans of its callers.

    Args:
        audit: The other one.
    """

    def __init__(self, audit: EventLog) -> None:
        self._log = audit.log

    def log(
        self, event_type: str, payload: Any, user_id: Any, *, span: trace.SpanContext | None = None, **fields: Any
    ) -> Receipt:
        """Log an event; arguments and errors are those of ``AuditService.log``.

        Args:
            event_type: What happened.
            payload: Any JSON value.
            user_id: The user.
            span: The span in which it happened.
            **fields: The other arguments.
        """
        if span is None:
            return self._log(event_type, payload, user_id, **fields)
        token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(span), context.Context()))
        try:
            return self._log(event_type, payload, user_id, **fields)
        finally:
            context.detach(token)
