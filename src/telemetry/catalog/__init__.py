"""Declares the event types of a service: their payloads, what may be shown of them, and how safely they are logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.system.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from telemetry.catalog.catalog import AuditCatalog
    from telemetry.catalog.event import Event
    from telemetry.catalog.event_type import EventType
    from telemetry.catalog.marks import Changes, EventField, Personal, Secret
    from telemetry.catalog.scrubber import Scrubber

__all__ = ["AuditCatalog", "Changes", "Event", "EventField", "EventType", "Personal", "Scrubber", "Secret"]

_HOMES = {
    "AuditCatalog": "telemetry.catalog.catalog",
    "Changes": "telemetry.catalog.marks",
    "Event": "telemetry.catalog.event",
    "EventField": "telemetry.catalog.marks",
    "EventType": "telemetry.catalog.event_type",
    "Personal": "telemetry.catalog.marks",
    "Scrubber": "telemetry.catalog.scrubber",
    "Secret": "telemetry.catalog.marks",
}

__getattr__ = lazy_exports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
