"""Renders opened events in the library's own form, with the place of the record."""

from __future__ import annotations

from typing import Any

from telemetry.format.value.features import PLAIN_VERSION
from telemetry.reader.entry import OpenedEvent, Place
from telemetry.reader.mappings.table import WORTH, Column, Schema, present, worth

_TEXTS = (
    *(
        "id",
        "event_type",
        "user_id",
        "actor_id",
        "actor_type",
        "tenant_id",
        "session_id",
        "entity",
        "entity_id",
        "action",
        "outcome",
        "reason",
    ),
    *("service_name", "environment", "version", "source", "ip_address", "user_agent", "correlation_id"),
    *("trace_id", "span_id", "producer"),
)


def event_record(opened: OpenedEvent) -> dict[str, Any]:
    """Return every field of the event that is set, what its record is worth, and where it is."""
    return opened.event.to_dict() | worth(opened) | place_of(opened.place)


def place_of(place: Place) -> dict[str, Any]:
    """Return where a record is: a member ``kafka``, or ``stored``."""
    if place.partition is not None:
        return {"kafka": {"topic": place.source, "partition": place.partition, "offset": place.offset}}
    return {"stored": present(source=place.source, name=place.name, line=place.offset)}


EVENT = Schema(
    "event",
    str(PLAIN_VERSION),
    (
        Column("time", "time"),
        Column("occurred_at"),  # as text: it may have more decimals than a typed time keeps
        *map(Column, _TEXTS),
        Column("sequence", "integer"),
        Column("schema_version", "integer"),
        Column("trace_flags", "integer"),
        Column("sensitive", "boolean"),
        *WORTH,
        *(
            Column(name, "json")
            for name in (
                *("payload", "changes", "targets", "metadata", "adjusted", "catalog"),
                *("features", "dedup", "recipients", "clear_fields", "subject", "kafka", "stored"),
            )
        ),
        Column("kafka_key"),
    ),
    event_record,
)
"""Columns of the event's own table."""
