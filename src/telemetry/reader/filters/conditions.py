"""Defines the conditions on single fields of an event."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from typing import Protocol

from telemetry.format.value.event import AuditEvent
from telemetry.reader.filters.addresses import AddressSet
from telemetry.reader.filters.moments import to_nanoseconds
from telemetry.reader.filters.where import Where, all_hold

_WILDCARDS = re.compile(r"[*?\[]")


class Condition(Protocol):
    """Says of an event whether it is selected."""

    def holds(self, event: AuditEvent) -> bool:
        """Return whether the event meets the condition."""


class OneOf:
    """A field has one of these values, written exactly."""

    def __init__(self, field: str, values: frozenset[str]) -> None:
        self._field = field
        self._values = values

    def holds(self, event: AuditEvent) -> bool:
        """Return whether the field has one of the values."""
        return getattr(event, self._field) in self._values


class ActedBy:
    """One of these acted: ``actor_id``, or the user where the event names no other actor."""

    def __init__(self, actors: frozenset[str]) -> None:
        self._actors = actors

    def holds(self, event: AuditEvent) -> bool:
        """Return whether one of them acted."""
        return (event.actor_id if event.actor_id is not None else event.user_id) in self._actors


class Concerns:
    """The event is about one of these things: a kind such as ``order``, or kind and id such as ``order/77``."""

    def __init__(self, entities: frozenset[str]) -> None:
        self._entities = entities

    def holds(self, event: AuditEvent) -> bool:
        """Return whether the entity of the event is one of them, or one of its targets."""
        if self._has(event.entity, event.entity_id):
            return True
        return any(self._has(target.entity, target.entity_id) for target in event.targets)

    def _has(self, entity: str | None, entity_id: str | None) -> bool:
        return entity is not None and (
            entity in self._entities or (entity_id is not None and f"{entity}/{entity_id}" in self._entities)
        )


class CameFrom:
    """The address of the event is one of these, or in one of these networks."""

    def __init__(self, addresses: frozenset[str]) -> None:
        self._addresses = AddressSet(addresses)

    def holds(self, event: AuditEvent) -> bool:
        """Return whether the request came from there."""
        return event.ip_address is not None and event.ip_address in self._addresses


class OfType:
    """The type of the event begins with one of these texts, or matches one of these patterns."""

    def __init__(self, types: Iterable[str]) -> None:
        self._pattern = re.compile("|".join(_pattern(kind) for kind in types))

    def holds(self, event: AuditEvent) -> bool:
        """Return whether the event has such a type."""
        return self.accepts(event.event_type)

    def accepts(self, event_type: str) -> bool:
        """Return whether a type is one of them."""
        return self._pattern.match(event_type) is not None


class Logged:
    """The event was logged within a time."""

    def __init__(self, since: str, until: str) -> None:
        self._since = since
        self._until = until

    def holds(self, event: AuditEvent) -> bool:
        """Return whether it was."""
        return event.time >= self._since and (not self._until or event.time <= self._until)


class Occurred:
    """What the event is about happened within a time: ``occurred_at``, or the time of logging where there is none."""

    def __init__(self, since: str, until: str) -> None:
        self._since = to_nanoseconds(since) if since else ""
        self._until = to_nanoseconds(until) if until else ""

    def holds(self, event: AuditEvent) -> bool:
        """Return whether it did."""
        return self.accepts(event.occurred_at or event.time)

    def accepts(self, moment: str) -> bool:
        """Return whether a time is within it."""
        time = to_nanoseconds(moment)
        return time >= self._since and (not self._until or time <= self._until)


class HasValues:
    """Values inside the event are as wanted."""

    def __init__(self, comparisons: Iterable[str]) -> None:
        self._comparisons = tuple(Where(text) for text in comparisons)

    def holds(self, event: AuditEvent) -> bool:
        """Return whether they are."""
        return all_hold(self._comparisons, event)


class IsAdjusted:
    """Something of the event is not what the caller gave: it was cut, escaped, or replaced by a text."""

    def holds(self, event: AuditEvent) -> bool:
        """Return whether it is so."""
        return bool(event.adjusted)


def _pattern(kind: str) -> str:
    """Return a regular expression that is matched from the beginning of a type."""
    return translate(kind) if _WILDCARDS.search(kind) else re.escape(kind)
