"""Turns a filter of events into conditions on the columns of an archive, as far as these say what is asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Protocol

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.reader.filters import EventFilter

_WILD = frozenset("*?[")
_IN_CLEAR = {
    "tenants": "tenantid",
    "sessions": "sessionid",
    "correlations": "correlationid",
    "outcomes": "outcome",
    "actor_types": "actortype",
    "addresses": "ipaddress",
    "ids": "id",
}
"""Column of each condition that compares one field with values."""
_SEALED = ("where", "text", "adjusted", "excluded", "occurred_since", "occurred_until")
"""Conditions on what is sealed in any case."""
CLEAR_COLUMNS = {
    "actors": "actorid",
    "entities": "entity",
    **{name: column for name, column in _IN_CLEAR.items() if name != "ids"},
}
"""Column that a condition needs, which a service projects only if its ``clear_fields`` say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedEvents:
    """What is searched for, in the clear part of events.

    Attributes:
        filter: Conditions on the events.
        services: Names of services; empty for all.
        environments: Names of environments; empty for all.
        producers: Ids of producers; empty for all.
        actions: What was done, from the clear fields.

    Raises:
        ConfigurationError: A condition asks for what is sealed, or for a network of addresses.
    """

    filter: EventFilter = field(default_factory=EventFilter)
    services: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    producers: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = [
            Problem(name, "asks for what is sealed", "leave it out, and use `telemetry export --from archive`")
            for name in _SEALED
            if getattr(self.filter, name)
        ]
        if any("/" in address for address in self.filter.addresses):
            problems.append(Problem("--ip", "names a network", "name single addresses, as the events have them"))
        if problems:
            raise ConfigurationError(*problems)

    def describe(self, *, with_text: bool) -> dict[str, Any]:
        """Return what is searched for, for the record of the read."""
        others = {each.name: list(getattr(self, each.name)) for each in fields(self) if each.name != "filter"}
        return self.filter.describe(with_text=with_text) | {name: values for name, values in others.items() if values}


class UserHashes(Protocol):
    """Finds users, of which no record has the id in the clear."""

    def of(self, users: Collection[str]) -> list[str]:
        """Return the hashes of the Kafka keys that users have in the services that are searched."""


class Where:
    """The conditions of a query: text with numbered places, and the values for them.

    Args:
        searched: What is searched for.
        users: Finds the hashes of the Kafka keys of users.

    Attributes:
        values: The values for ``$2`` and so on.
        text: The conditions, joined.
    """

    def __init__(self, searched: SearchedEvents, *, users: UserHashes) -> None:
        self.values: list[Any] = []
        wanted = searched.filter
        parts = ["kind = 'event'"]
        if wanted.users:
            parts.append(self._among("keyhash", users.of(wanted.users)))
        if wanted.actors:
            # Where the event names no other actor, the user acted.
            own = self._among("keyhash", users.of(wanted.actors))
            parts.append(f"({self._among('actorid', wanted.actors)} OR (actorid IS NULL AND {own}))")
        for name, column in _IN_CLEAR.items():
            if getattr(wanted, name):
                parts.append(self._among(column, getattr(wanted, name)))
        others = {"service": searched.services, "environment": searched.environments}
        others |= {"producer": searched.producers, "action": searched.actions}
        parts += [self._among(column, values) for column, values in others.items() if values]
        parts += [
            self._any(part) for part in (list(self._types(wanted.types)), list(self._entities(wanted.entities))) if part
        ]
        parts += self._times(wanted)
        self.text = " AND ".join(parts)

    def _place(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values) + 1}"

    def _among(self, column: str, values: Iterable[str]) -> str:
        places = [self._place(value) for value in sorted(values)]
        if not places:
            return "false"
        # One value is compared by the filters of the files too.
        return f"{column} = {places[0]}" if len(places) == 1 else f"{column} IN ({', '.join(places)})"

    def _any(self, parts: list[str]) -> str:
        return f"({' OR '.join(parts)})"

    def _types(self, types: Iterable[str]) -> Iterator[str]:
        for kind in types:
            place = self._place(kind)
            yield f"type GLOB {place}" if _WILD & set(kind) else f"starts_with(type, {place})"

    def _entities(self, entities: Iterable[str]) -> Iterator[str]:
        for text in sorted(entities):
            kind, separator, name = text.partition("/")
            part = f"entity = {self._place(kind)}"
            yield f"({part} AND entityid = {self._place(name)})" if separator else part

    def _times(self, wanted: EventFilter) -> Iterator[str]:
        for text, comparison in ((wanted.since, ">="), (wanted.until, "<=")):
            if text:
                yield f"time {comparison} {self._place(_moment(text))}"


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
