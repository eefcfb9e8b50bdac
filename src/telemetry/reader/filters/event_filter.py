"""Selects opened events by every condition that is set; the clock's time is passed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, get_args

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.event import ActorType, AuditEvent, Outcome
from telemetry.reader.filters.addresses import AddressSet
from telemetry.reader.filters.conditions import (
    ActedBy,
    CameFrom,
    Concerns,
    Condition,
    HasValues,
    IsAdjusted,
    Logged,
    Occurred,
    OfType,
    OneOf,
)
from telemetry.reader.filters.text import TextSearch
from telemetry.reader.filters.where import Where

OUTCOMES: tuple[str, ...] = get_args(Outcome)
ACTOR_TYPES: tuple[str, ...] = get_args(ActorType)
MAX_PATTERN = 1_024
"""Characters of one value."""

_FIELD_OF = {
    "ids": "id",
    "users": "user_id",
    "actor_types": "actor_type",
    "tenants": "tenant_id",
    "sessions": "session_id",
    "correlations": "correlation_id",
    "outcomes": "outcome",
}
"""Conditions that compare one field with values."""
_KIND_OF: dict[str, Callable[[Any], Condition]] = {
    "actors": ActedBy,
    "types": OfType,
    "entities": Concerns,
    "addresses": CameFrom,
    "where": HasValues,
    "text": TextSearch,
}
"""Conditions of their own, each created from the value of its field."""
_WORDS = {"outcomes": ("outcome", OUTCOMES), "actor_types": ("actor type", ACTOR_TYPES)}
_SEARCHED = ("text", "where")
"""What is searched for in the content of events; in a trail that is not sealed it is not written down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Matches the events that meet every condition that is set; of several values of one condition, one is enough.

    Attributes:
        ids: Events with one of these ids.
        users: Events of one of these users, written exactly.
        actors: Events in which one of these acted: ``actor_id``, or the user where the event names no other actor.
        actor_types: Events in which such an actor acted: ``user``, ``service``, ``system`` or ``anonymous``.
        tenants: Events of one of these tenants.
        entities: Events about one of these things, also as one of several targets: a kind such as ``order``, or kind and
            id such as ``order/77``.
        addresses: Events from one of these addresses or networks: ``10.0.0.7``, ``10.0.0.0/8``, ``2001:db8::/32``.
        sessions: Events of one of these sessions.
        correlations: Events with one of these correlation ids.
        types: Events of one of these types: the type or its beginning, or a pattern with ``*``, ``?`` and ``[...]``.
        outcomes: Events with one of these outcomes.
        where: Values inside the event: ``payload.order.id=77``, ``payload.note=~refund`` (contains, case ignored) or
            ``changes.email`` (there is one). Comparisons of different paths must all be true, of one path one of them.
        since: Events logged at this time or later, as the event writes it (RFC 3339, UTC, microseconds).
        until: Events logged at this time or earlier.
        occurred_since: Events of what happened at this time or later; an event without ``occurred_at`` happened when it
            was logged.
        occurred_until: Events of what happened at this time or earlier.
        text: Events that contain this text in any value, or in a name inside payload, metadata or changes; case is ignored.
        adjusted: Only events of which something is not what the caller gave: it was cut, escaped, or replaced by a text.
        excluded: Events that one of these filters matches are left out.

    Raises:
        ConfigurationError: A value does not exist or cannot be read, is empty or too long, or a time is after its end.
    """

    ids: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    actors: frozenset[str] = frozenset()
    actor_types: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    entities: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    sessions: frozenset[str] = frozenset()
    correlations: frozenset[str] = frozenset()
    types: tuple[str, ...] = ()
    outcomes: frozenset[str] = frozenset()
    where: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    occurred_since: str = ""
    occurred_until: str = ""
    text: str = ""
    adjusted: bool = False
    excluded: tuple[EventFilter, ...] = ()
    _conditions: tuple[Condition, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise ConfigurationError(*problems)
        object.__setattr__(self, "_conditions", tuple(_conditions(self)))

    def matches(self, event: AuditEvent) -> bool:
        """Return whether the event meets every condition, and none of the excluded filters matches it."""
        return all(condition.holds(event) for condition in self._conditions) and not any(
            other.matches(event) for other in self.excluded
        )

    def describe(self, *, with_text: bool) -> dict[str, Any]:
        """Return the conditions that are set, for the record of the read.

        Args:
            with_text: Include what was searched for in the content; otherwise only the fact that something was.
        """
        conditions: dict[str, Any] = {}
        for name in (each.name for each in fields(self) if each.init):
            value = getattr(self, name)
            if not value:
                continue
            if name == "excluded":
                conditions[name] = [other.describe(with_text=with_text) for other in self.excluded]
            elif name in _SEARCHED and not with_text:
                conditions[name] = True
            elif isinstance(value, frozenset | tuple):
                conditions[name] = sorted(value) if isinstance(value, frozenset) else list(value)
            else:
                conditions[name] = value
        return conditions


def _conditions(wanted: EventFilter) -> Iterator[Condition]:
    """Yield the conditions that are set, in the order of what they cost."""
    if wanted.since or wanted.until:
        yield Logged(wanted.since, wanted.until)
    for name, of_event in _FIELD_OF.items():
        values = getattr(wanted, name)
        if values:
            yield OneOf(of_event, values)
    for name, kind in _KIND_OF.items():
        value = getattr(wanted, name)
        if value:
            yield kind(value)
    if wanted.adjusted:
        yield IsAdjusted()
    if wanted.occurred_since or wanted.occurred_until:
        yield Occurred(wanted.occurred_since, wanted.occurred_until)


def _problems(wanted: EventFilter) -> Iterator[Problem]:
    yield from _unknown_words(wanted)
    for name, values in _texts(wanted):
        if any(len(text) > MAX_PATTERN for text in values):
            yield Problem(name, f"is longer than {MAX_PATTERN} characters", "search for less")
        if not all(values):
            yield Problem(name, "contains an empty one", "leave it out to get every event")
    if not all(is_uuid(text) for text in wanted.ids if text):
        yield Problem("ids", "contains what is not the id of an event", "copy it from `tail --json`")
    yield from _unreadable(wanted)
    for first, last in (("since", "until"), ("occurred_since", "occurred_until")):
        earliest, latest = getattr(wanted, first), getattr(wanted, last)
        if earliest and latest and earliest > latest:
            yield Problem(first, f"is later than {last}", "swap them")


def _unknown_words(wanted: EventFilter) -> Iterator[Problem]:
    for name, (noun, known) in _WORDS.items():
        for word in sorted(getattr(wanted, name).difference(known, {""})):
            yield Problem(name, f"there is no {noun} {word[:64]!r}", f"use {', '.join(known)}")


def _texts(wanted: EventFilter) -> Iterator[tuple[str, tuple[str, ...]]]:
    for each in fields(wanted):
        value = getattr(wanted, each.name) if each.init else None
        if each.name not in ("excluded", "where") and isinstance(value, frozenset | tuple):
            yield each.name, tuple(value)
    if wanted.text:
        yield "text", (wanted.text,)


def _unreadable(wanted: EventFilter) -> Iterator[Problem]:
    try:
        AddressSet(wanted.addresses - {""})
    except ValueError as exc:
        yield Problem("addresses", f"{str(exc)[:128]}", "write 10.0.0.7, 10.0.0.0/8 or 2001:db8::/32")
    for text in wanted.where:
        try:
            Where(text)
        except ConfigurationError as exc:
            yield from exc.problems
