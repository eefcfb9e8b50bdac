"""Converts opened events to CloudEvents 1.0 (JSON format), with the event in the clear as ``data``."""

from __future__ import annotations

from typing import Any

from telemetry.format.value.message import source_of
from telemetry.reader.entry import OpenedEvent
from telemetry.reader.mappings.table import WORTH, Column, Schema, present, worth

VERSION = "1.0"


def to_cloudevent(opened: OpenedEvent) -> dict[str, Any]:
    """Return a CloudEvent with the event as its ``data``.

    ``time`` is when it happened; ``recordedtime`` says when it was logged, if the event says both. That, ``sequence`` and
    ``traceparent`` follow the documented extensions "Recorded Time", "Sequence" and "Distributed Tracing"; a sequence is a
    String there. ``subject`` is the entity. ``sealed``, ``proven`` and ``foreign`` are extensions of this library.

    Source: CloudEvents 1.0.2, sections "Required Attributes" and "Type System".
    """
    event = opened.event
    # A path, so that a subscriber can filter by the kind of entity.
    subject = "/".join(part for part in (event.entity, event.entity_id) if part)
    return present(
        specversion=VERSION,
        id=event.id,
        source=source_of(event.environment, event.service_name),
        type=event.event_type,
        time=event.occurred_at or event.time,
        recordedtime=event.time if event.occurred_at else None,
        subject=subject or None,
        datacontenttype="application/json",
        producer=event.producer,
        sequence=str(event.sequence),
        traceparent=event.traceparent,
        **worth(opened),
        data=event.to_dict(),
    )


CLOUDEVENTS = Schema(
    "cloudevents",
    VERSION,
    (
        *(Column(name) for name in ("specversion", "id", "source", "type")),
        Column("time", "time"),
        Column("recordedtime", "time"),
        *(Column(name) for name in ("subject", "datacontenttype", "producer", "sequence", "traceparent")),
        *WORTH,
        Column("data", "json"),
    ),
    to_cloudevent,
)
"""CloudEvents 1.0."""
