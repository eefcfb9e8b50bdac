"""Tells events about the library's own life from what persons do with the trail."""

from __future__ import annotations

from telemetry.format.value.event import AuditEvent

_OWN = "telemetry."
_BY_PERSONS = frozenset(
    (
        *("telemetry.read", "telemetry.searched", "telemetry.viewed", "telemetry.exported"),
        *("telemetry.forgotten", "telemetry.held", "telemetry.released"),
        *("telemetry.redacted", "telemetry.explorer.denied"),
    )
)
"""Somebody has opened, searched, taken away or redacted events, or was refused: in other systems that is an activity like any other."""


def is_about_itself(event: AuditEvent) -> bool:
    """Return whether an event is about the library, and not about what somebody did."""
    return event.event_type.startswith(_OWN) and event.event_type not in _BY_PERSONS
