"""Defines a log record of OpenTelemetry as plain values, the same for both encodings."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from telemetry.exceptions import EventError
from telemetry.gateway.request.refused_request import RefusedRequestError

MAX_RECORD_BYTES: Final = 256 << 10
"""Most bytes of one record, in either encoding: it is decoded whole."""
MAX_ORIGIN_BYTES: Final = 64 << 10
"""Most bytes of a resource and of a scope, each: every event of theirs repeats them."""
MAX_VALUES: Final = 4_096
"""Most values of a record, of a resource and of a scope, those in lists and mappings included."""
TRACE_FLAGS: Final = 0xFF
"""The bits of a record's flags that are those of W3C trace context."""

Value = Any
"""Text, boolean, integer, finite float, bytes, None, or a list or a mapping of these."""


class Origin(NamedTuple):
    """Where records come from, as their sender says: it is kept, and decides nothing.

    Attributes:
        resource: Attributes of the resource.
        scope: Name, version and attributes of the instrumentation scope, those that are given.
    """

    resource: dict[str, Value]
    scope: dict[str, Value]


class LogRecord(NamedTuple):
    """One log record.

    Attributes:
        origin: Its resource and scope.
        time: When it happened, in nanoseconds since 1970; 0 if unknown.
        observed: When it was observed, in nanoseconds since 1970; 0 if unknown.
        severity: Number of its severity, 1 to 24; 0 if unknown.
        severity_text: Its severity, as its source names it.
        event_name: What kind of event it is; empty for a record that is none.
        body: Its body.
        attributes: Its attributes.
        dropped: How many attributes its sender has left out.
        flags: The eight flags of W3C trace context.
        trace_id: 32 hexadecimal digits; empty if none.
        span_id: 16 hexadecimal digits; empty if none.
    """

    origin: Origin
    time: int
    observed: int
    severity: int
    severity_text: str
    event_name: str
    body: Value
    attributes: dict[str, Value]
    dropped: int
    flags: int
    trace_id: str
    span_id: str


class RefusedRecord(NamedTuple):
    """A record that can never be an event.

    Attributes:
        reason: Why, without content.
    """

    reason: str


def double(value: float) -> float | str:
    """Return a number; a text for one that JSON has no number for, as the JSON mapping of protobuf writes it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


class ValueBounds:
    """Bounds the values of one record, or of one resource and scope, while they are decoded.

    Args:
        max_depth: How deep a value may be nested.
    """

    __slots__ = ("_left", "_max_depth")

    def __init__(self, max_depth: int) -> None:
        self._max_depth = max_depth
        self._left = MAX_VALUES

    def open(self, size: int, depth: int) -> None:
        """Begin a list or a mapping.

        Args:
            size: How many values it has.
            depth: In how many others it is.

        Raises:
            EventError: It is nested too deeply, or the record has too many values.
        """
        self._left -= size
        if depth > self._max_depth:
            message = f"a value is nested deeper than {self._max_depth}"
            raise EventError(message)
        if self._left < 0:
            message = f"it has more than {MAX_VALUES} values"
            raise EventError(message)


def distinct(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    """Return attributes as a mapping.

    Raises:
        EventError: A name is there twice, so that readers might disagree about its value.
    """
    values = dict(pairs)
    if len(values) != len(pairs):
        message = "an attribute is there twice"
        raise EventError(message)
    return values


def require_number(count: int, max_records: int) -> None:
    """Check that a request has not too many records.

    Raises:
        RefusedRequestError: It has (413).
    """
    if count > max_records:
        detail = f"the request has more than {max_records} records; send smaller batches"
        raise RefusedRequestError(413, detail)
