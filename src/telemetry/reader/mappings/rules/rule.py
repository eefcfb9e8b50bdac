"""Defines a rule: which events it is about, and what they are in OCSF."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from telemetry.format.value.event import AuditEvent
from telemetry.ingest.paths import ValuePath
from telemetry.reader.mappings.ocsf_schema import Attribute


@dataclass(frozen=True, slots=True)
class RuleField:
    """An attribute of OCSF and where its value comes from.

    Attributes:
        target: Dotted path of the attribute, such as ``src_endpoint.ip``.
        attribute: The attribute at its end.
        parents: Attributes that the path leads through.
        source: Path in the event, such as ``payload.client.ip``; None for a constant.
        constant: The value of a constant, as the attribute has it.
    """

    target: str
    attribute: Attribute
    parents: tuple[Attribute, ...]
    source: ValuePath | None = None
    constant: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What events of some types are in OCSF.

    Attributes:
        types: Patterns of the event type, of which one must match.
        entity: Pattern of ``entity``, or None for any and none.
        source: Pattern of ``source``, or None for any and none.
        service: Pattern of ``service_name``, or None for any.
        class_uid: Number of the class.
        activity_id: Number of the activity; 99 is Other.
        status_id: Number of the status, or None for the event's outcome.
        severity_id: Number of the severity, or None for that of the event.
        fields: Attributes that the rule fills.
        is_of_preset: Whether it is from a preset of ``telemetry log``, which says what a type is and not always how to fill
            its class.
    """

    types: re.Pattern[str]
    entity: re.Pattern[str] | None = None
    source: re.Pattern[str] | None = None
    service: re.Pattern[str] | None = None
    class_uid: int
    activity_id: int
    status_id: int | None = None
    severity_id: int | None = None
    fields: tuple[RuleField, ...] = ()
    is_of_preset: bool = False

    def matches(self, event: AuditEvent) -> bool:
        """Return whether the rule is about this event."""
        return (
            self.types.match(event.event_type) is not None
            and _fits(self.entity, event.entity)
            and _fits(self.source, event.source)
            and _fits(self.service, event.service_name)
        )


def _fits(pattern: re.Pattern[str] | None, text: str | None) -> bool:
    return pattern is None or (text is not None and pattern.match(text) is not None)
