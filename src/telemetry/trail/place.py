"""Defines a place that is read instead of topic and store, as often as it is needed, such as an archive."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from telemetry.reader.sources.source import Source
from telemetry.trail.progress import StepProgress


class TrailPlace(Protocol):
    """A place that has a trail, or a part of one."""

    def source(self, *, progress: StepProgress | None = None) -> Source:
        """Return its records; each source is read once.

        Args:
            progress: Learns how many there are.
        """

    def near(self, event_ids: Collection[str]) -> Sequence[TrailPlace]:
        """Return parts that should have some events and what proves them, the smallest first; none if it has no such event.

        Args:
            event_ids: UUIDv7 of the events.
        """
