"""Select opened events: by who, what, where from, when, and by values inside them."""

from __future__ import annotations

from telemetry.reader.filters.event_filter import EventFilter
from telemetry.reader.filters.moments import event_time, parse_moment

__all__ = ["EventFilter", "event_time", "parse_moment"]
