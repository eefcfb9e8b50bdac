"""Defines where a local pipeline puts its events."""

from __future__ import annotations

from typing import Protocol

from telemetry.format.value.event import AuditEvent


class EventSink(Protocol):
    """Accepts the events of a process that sends none."""

    def add(self, event: AuditEvent, *, size: int) -> None:
        """Accept an event.

        Args:
            event: The event as a reader would return it.
            size: Bytes of its JSON.
        """


class Nowhere:
    """Drops every event, for ``enabled=False``."""

    def add(self, event: AuditEvent, *, size: int) -> None:
        """Do nothing."""
