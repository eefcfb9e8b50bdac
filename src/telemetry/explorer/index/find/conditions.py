"""Finds the rows of a segment that meet one condition of a filter, by columns and folded texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from telemetry.explorer.index.store.columns import Rows
from telemetry.explorer.index.store.line import ADJUSTED, id_bytes_of
from telemetry.explorer.index.store.segment import Segment
from telemetry.reader.filters import EventFilter
from telemetry.reader.filters.addresses import AddressSet
from telemetry.reader.filters.conditions import Occurred, OfType
from telemetry.reader.filters.text import TextSearch
from telemetry.reader.filters.where import Where

_NOBODY: tuple[int, ...] = ()


@dataclass(slots=True)
class Candidates:
    """Rows that may meet a filter.

    Attributes:
        rows: The rows, ascending; all others do not meet it.
        unsure: Those of them about which only the event itself says whether they do.
    """

    rows: Rows
    unsure: set[int] = field(default_factory=set)

    def narrow(self, rows: Rows) -> None:
        """Keep these rows alone."""
        self.rows = rows
        if self.unsure:
            self.unsure.intersection_update(rows)


class Condition(Protocol):
    """Narrows the rows of a segment."""

    def apply(self, segment: Segment, found: Candidates) -> None:
        """Keep the candidates that meet the condition, or may."""


class InTime:
    """The event was logged within a time."""

    def __init__(self, since: str, until: str) -> None:
        self._since, self._until = since, until

    def apply(self, segment: Segment, found: Candidates) -> None:
        """Keep the rows within it, which follow each other."""
        within = segment.keys.between(self._since, self._until)
        if isinstance(found.rows, range):
            rows: Rows = range(max(within.start, found.rows.start), min(within.stop, found.rows.stop))
        else:
            rows = [row for row in found.rows if row in within]
        found.narrow(rows)


class InColumn:
    """A field has one of some values."""

    def __init__(self, column: str, values: frozenset[str]) -> None:
        self._column, self._values = column, values

    def apply(self, segment: Segment, found: Candidates) -> None:
        """Keep the rows with one of the values."""
        found.narrow(segment.columns[self._column].having(self._values, found.rows))


class OfSomeType:
    """The type is one of these, or begins like one, or matches a pattern.

    Args:
        types: The types.
        column: Column of the types.
    """

    def __init__(self, types: tuple[str, ...], *, column: str = "type") -> None:
        self._accepts = OfType(types).accepts
        self._column = column

    def apply(self, segment: Segment, found: Candidates) -> None:
        """Keep the rows with such a type."""
        column = segment.columns[self._column]
        found.narrow(column.meeting(lambda value: value is not None and self._accepts(value), found.rows))


class WithId:
    """The event has one of these ids."""

    def __init__(self, ids: frozenset[str]) -> None:
        self._ids = [id_bytes_of(each) for each in ids]

    def apply(self, segment: Segment, found: Candidates) -> None:
        """Keep the rows with one of the ids."""
        here = {row for each in self._ids for row in segment.keys.rows_with_id(each)}
        found.narrow([row for row in found.rows if row in here] if here else _NOBODY)


class ByActor:
    """One of these acted: the actor, or the user where there is no other."""

    def __init__(self, actors: frozenset[str]) -> None:
        self._actors = actors

    def apply(self, segment: Segment, found: Candidates) -> None:
        """Keep the rows in which one of them acted."""
        actors, users = segment.columns["actor"], segment.columns["user"]
        named = actors.having(self._actors, found.rows)
        by_user = actors.having((None,), users.having(self._actors, found.rows))
        found.narrow(sorted({*named, *by_user}) if named and by_user else named or by_user)


class About:
    """The event is about one of these things, as ``EventFilter.entities`` writes them."""

    def __init__(self, entities: frozenset[str]) -> None:
        self._entities = entities
        # A kind and an id may both contain a slash.
        self._pairs = [
            (each[:at], each[at + 1 :]) for each in sorted(entities) for at, sign in enumerate(each) if sign == "/"
        ]

    def apply(self, segment: Segment, found: Candidates) -> None:
        """Keep the rows about one of them."""
        kinds, things = segment.columns["kind"], segment.columns["thing"]
        rows = {*kinds.having(self._entities, found.rows)}
        for kind, thing in self._pairs:
            with_thing = things.having((thing,), found.rows)
            rows.update(kinds.having((kind,), with_thing) if with_thing else ())
        among = segment.contents.rows_with_target(self._entities)
        rows.update(row for row in among if row in found.rows)
        found.narrow(sorted(rows))


class From:
    """The address is one of these, or in one of these networks."""

    def __init__(self, addresses: frozenset[str]) -> None:
        self._addresses = AddressSet(addresses)

    def apply(self, segment: Segment, found: Candidates) -> None:
        """Keep the rows with such an address."""
        found.narrow(segment.columns["address"].meaning(self._addresses.positions, found.rows))


class IsAltered:
    """Something is not what the caller gave."""

    def __init__(self, wanted: bool) -> None:
        del wanted

    def apply(self, segment: Segment, found: Candidates) -> None:
        """Keep the rows with the flag."""
        found.narrow(segment.flagged(ADJUSTED, found.rows))


class Happened:
    """What the event is about happened within a time."""

    def __init__(self, since: str, until: str) -> None:
        self._accepts = Occurred(since, until).accepts

    def apply(self, segment: Segment, found: Candidates) -> None:
        """Keep the rows whose event did, by the time that the caller gave, or else that of logging."""
        occurred, keys = segment.columns["occurred"], segment.keys
        found.narrow([row for row in found.rows if self._accepts(occurred[row] or keys.time(row))])


class HasText:
    """A text is in the event. Events with very much text have to be opened."""

    def __init__(self, text: str) -> None:
        self._needle = TextSearch(text).folded.encode("utf-8", "surrogatepass")

    def apply(self, segment: Segment, found: Candidates) -> None:
        """Keep the rows with the text."""
        _keep_with_any(segment, found, [self._needle])


class HasValues:
    """Values inside the event are as wanted: only the event says whether they are, but most do not have their texts."""

    def __init__(self, comparisons: tuple[str, ...]) -> None:
        needles: dict[str, list[bytes] | None] = {}
        for each in map(Where, comparisons):
            before, needle = needles.get(each.path, []), each.needle
            if before is None or needle is None:
                needles[each.path] = None
            else:
                needles[each.path] = [*before, needle.encode("utf-8", "surrogatepass")]
        self._needles = [each for each in needles.values() if each is not None]

    def apply(self, segment: Segment, found: Candidates) -> None:
        """Keep the rows that have the texts."""
        for needles in self._needles:
            _keep_with_any(segment, found, needles)
        found.unsure.update(found.rows)


_CONDITION_OF: dict[str, Callable[[Any], Condition]] = {
    "ids": WithId,
    "users": lambda values: InColumn("user", values),
    "sessions": lambda values: InColumn("session", values),
    "correlations": lambda values: InColumn("correlation", values),
    "tenants": lambda values: InColumn("tenant", values),
    "outcomes": lambda values: InColumn("outcome", values),
    "actor_types": lambda values: InColumn("actor_type", values),
    "types": OfSomeType,
    "actors": ByActor,
    "entities": About,
    "adjusted": IsAltered,
    "addresses": From,
    "text": HasText,
    "where": HasValues,
}
"""Conditions by the field of the filter, in the order of what they cost."""
TIMES = ("since", "until", "occurred_since", "occurred_until")
"""Fields that are conditions in pairs."""


def conditions_of(wanted: EventFilter, *, with_content: bool) -> Iterator[Condition]:
    """Yield the conditions of a filter that are set, without the filters that it excludes.

    Args:
        wanted: The filter.
        with_content: Whether a type that is sealed may be found by its name.
    """
    if wanted.since or wanted.until:
        yield InTime(wanted.since, wanted.until)
    if wanted.occurred_since or wanted.occurred_until:
        yield Happened(wanted.occurred_since, wanted.occurred_until)
    for name, kind in _CONDITION_OF.items():
        value = getattr(wanted, name)
        if value:
            yield OfSomeType(value, column="clear_type") if name == "types" and not with_content else kind(value)


def known_fields() -> frozenset[str]:
    """Return the fields of a filter that are conditions here."""
    return frozenset((*_CONDITION_OF, *TIMES, "excluded"))


def _keep_with_any(segment: Segment, found: Candidates, needles: list[bytes]) -> None:
    texts = segment.contents.texts
    found.narrow(texts.having(needles, found.rows))
    if texts.untold:
        found.unsure.update(texts.untold.intersection(found.rows))
