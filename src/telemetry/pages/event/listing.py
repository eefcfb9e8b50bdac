"""Lists the fields of an event with their labels, in the order in which an auditor reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from telemetry.format.value.event import AuditEvent
from telemetry.pages.marks import ADJUSTED, SENSITIVE, Mark

_MAX_TARGETS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field that is set.

    Attributes:
        name: Name of the member, such as ``user_id``.
        label: The same for people.
        value: What it is, in full; text from outside.
        marks: What has to be known of it.
        is_time: Whether it is a time, RFC 3339 in UTC.
        is_code: Whether it is an id or a digest rather than words.
    """

    name: str
    label: str
    value: str
    marks: tuple[Mark, ...] = ()
    is_time: bool = False
    is_code: bool = False

    def __repr__(self) -> str:
        return f"Field(name={self.name!r})"


@dataclass(frozen=True, slots=True)
class _Known:
    name: str
    label: str
    read: Callable[[AuditEvent], object]
    kind: str = ""
    is_clear: bool = False


def fields(event: AuditEvent, *, content_mark: Mark | None = None) -> list[Field]:
    """Return the fields of an event that are set; its payload, changes and further arguments have views of their own.

    Args:
        event: The event.
        content_mark: Mark of each field that is inside the seal, such as ``CLAIMED`` where nothing proves the record; None
            for none.
    """
    return [
        Field(
            name=known.name,
            label=known.label,
            value=str(found),
            marks=_marks(event, known, content_mark),
            is_time=known.kind == "time",
            is_code=known.kind == "code",
        )
        for known in _FIELDS
        if (found := known.read(event)) not in (None, "")
    ]


def _marks(event: AuditEvent, known: _Known, content_mark: Mark | None) -> tuple[Mark, ...]:
    marks = [content_mark] if content_mark is not None and not known.is_clear else []
    if known.name in event.adjusted:
        marks.append(ADJUSTED)
    if known.name == "sensitive":
        marks.append(SENSITIVE)
    return tuple(marks)


def _targets(event: AuditEvent) -> str:
    named = [" ".join(part for part in (each.entity, each.entity_id) if part) for each in event.targets[:_MAX_TARGETS]]
    more = len(event.targets) - _MAX_TARGETS
    return ", ".join(named) + (f", and {more:,} more" if more > 0 else "")


def _catalog(event: AuditEvent) -> str:
    return f"{event.catalog.name} {event.catalog.version}" if event.catalog is not None else ""


_GONE = "the key of the event's subject was destroyed: payload and identity are gone, and the record is as it was"

_FIELDS: Final = (
    _Known("event_type", "Type", lambda event: event.event_type, is_clear=True),
    _Known("time", "Logged", lambda event: event.time, "time", is_clear=True),
    _Known("occurred_at", "Happened", lambda event: event.occurred_at, "time"),
    _Known("user_id", "User", lambda event: event.user_id),
    _Known("forgotten", "Forgotten", lambda event: _GONE if event.is_forgotten else None),
    _Known("actor_id", "Actor", lambda event: event.actor_id),
    _Known("actor_type", "Kind of actor", lambda event: event.actor_type),
    _Known("tenant_id", "Tenant", lambda event: event.tenant_id),
    _Known("action", "Action", lambda event: event.action),
    _Known("entity", "Kind of thing", lambda event: event.entity),
    _Known("entity_id", "Thing", lambda event: event.entity_id),
    _Known("targets", "Things", _targets),
    _Known("outcome", "Outcome", lambda event: event.outcome),
    _Known("reason", "Reason", lambda event: event.reason),
    _Known("ip_address", "Address", lambda event: event.ip_address),
    _Known("user_agent", "Program", lambda event: event.user_agent),
    _Known("session_id", "Session", lambda event: event.session_id, "code"),
    _Known("correlation_id", "Request", lambda event: event.correlation_id, "code"),
    _Known("source", "Part of the application", lambda event: event.source),
    _Known("sensitive", "Sensitive", lambda event: None if event.sensitive is None else _yes(event.sensitive)),
    _Known("service_name", "Service", lambda event: event.service_name, is_clear=True),
    _Known("environment", "Environment", lambda event: event.environment, is_clear=True),
    _Known("version", "Version of the service", lambda event: event.version),
    _Known("trace_id", "Trace", lambda event: event.trace_id, "code"),
    _Known("span_id", "Span", lambda event: event.span_id, "code"),
    _Known("catalog", "Catalogue", _catalog),
    _Known("retention", "Keep for", lambda event: event.catalog.retention if event.catalog is not None else None),
    _Known("clear_fields", "Shown outside the seal", lambda event: ", ".join(event.clear_fields)),
    _Known("adjusted", "Adjusted by the library", lambda event: ", ".join(event.adjusted)),
    _Known(
        "subject", "Key of the subject", lambda event: event.subject.key if event.subject is not None else None, "code"
    ),
    _Known("kafka_key", "Kafka key", lambda event: event.kafka_key, "code"),
    _Known("dedup", "Recognized as a repeat by", lambda event: event.dedup.value if event.dedup is not None else None),
    _Known("features", "Features", lambda event: ", ".join(event.features)),
    _Known("producer", "Producer", lambda event: event.producer, "code", is_clear=True),
    _Known("sequence", "Number in its stream", lambda event: event.sequence, "code", is_clear=True),
    _Known("id", "Id", lambda event: event.id, "code", is_clear=True),
)


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"
