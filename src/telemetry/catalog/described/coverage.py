"""Counts which types of a catalogue were seen in a trail, by the types outside of the seal."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from telemetry.catalog.described.described_catalog import DescribedCatalog
from telemetry.exceptions import MalformedRecordError
from telemetry.format.value.features import HIDDEN_EVENT_TYPE
from telemetry.format.value.message import context_of, parse

MAX_TYPES = 10_000
_OWN = "telemetry."


class SeenType(NamedTuple):
    """What was seen of one type.

    Attributes:
        event_type: The type.
        is_declared: Whether the catalogue declares it.
        events: How many records have it; copies count.
        first: Time of the first of them, as it says itself; empty if there is none.
        last: Time of the last.
    """

    event_type: str
    is_declared: bool
    events: int = 0
    first: str = ""
    last: str = ""


class Coverage:
    """Counts the records of a trail by their types. Nothing is opened, and nothing is believed to be proven.

    Args:
        catalog: The declared types.
        services: Services whose records count; all of them if none is named.

    Attributes:
        hidden: Records that hide their type.
        unread: Records that are no events of this format.
        others: Records of further types, beyond the bound.
    """

    def __init__(self, catalog: DescribedCatalog, services: Collection[str] = ()) -> None:
        self._catalog = catalog
        self._services = frozenset(services)
        self._seen: dict[str, SeenType] = {name: SeenType(name, is_declared=True) for name in catalog.types}
        self.hidden = 0
        self.unread = 0
        self.others = 0

    def add(self, value: bytes | None) -> None:
        """Count a record."""
        try:
            attributes = parse(value or b"").attributes
        except MalformedRecordError:
            self.unread += 1
            return
        event_type, time = attributes["type"], attributes["time"]
        if self._services and context_of(attributes["source"])["service"] not in self._services:
            return
        if event_type == HIDDEN_EVENT_TYPE:
            self.hidden += 1
        elif not event_type.startswith(_OWN):
            self._count(event_type, time)

    @property
    def unseen(self) -> list[str]:
        """Declared types of which nothing was seen."""
        return sorted(kind.event_type for kind in self._seen.values() if kind.is_declared and not kind.events)

    @property
    def undeclared(self) -> list[str]:
        """Types that were seen and are not declared."""
        return sorted(kind.event_type for kind in self._seen.values() if not kind.is_declared)

    def types(self) -> list[SeenType]:
        """Return every type: those that are not as they should be first."""
        return sorted(self._seen.values(), key=lambda kind: (kind.is_declared and kind.events > 0, kind.event_type))

    def _count(self, event_type: str, time: str) -> None:
        seen = self._seen.get(event_type)
        if seen is None:
            if len(self._seen) >= MAX_TYPES + len(self._catalog.types):
                self.others += 1
                return
            seen = SeenType(event_type, is_declared=False)
        self._seen[event_type] = seen._replace(
            events=seen.events + 1, first=min(seen.first or time, time), last=max(seen.last, time)
        )
