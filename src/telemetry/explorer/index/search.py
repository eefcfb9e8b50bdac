"""Defines what an auditor searches for: the filter of every other reading command, and what only an index can ask."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.reader.entry import Proven
from telemetry.reader.filters import EventFilter

MAX_NAMES = 1_000
"""Services or producers of one search."""
_OUTSIDE_THE_SEAL = frozenset(("ids", "types", "since", "until"))
"""Conditions of a filter that the attributes outside the seal can meet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Selects rows of the index that meet every condition.

    Attributes:
        wanted: What the events are about.
        services: CloudEvents sources, such as ``/production/payments``; empty for all.
        producers: Ids of producers; empty for all.
        proven: Verdicts; empty for all.
        foreign: Whether records that the trail should not have are found too, marked as such.
        newest_first: The order, by the time that the event has.

    Raises:
        ConfigurationError: There are too many services or producers.
    """

    wanted: EventFilter = field(default_factory=EventFilter)
    services: frozenset[str] = frozenset()
    producers: frozenset[str] = frozenset()
    proven: frozenset[Proven] = frozenset()
    foreign: bool = False
    newest_first: bool = True

    def __post_init__(self) -> None:
        for name in ("services", "producers"):
            if len(getattr(self, name)) > MAX_NAMES:
                raise ConfigurationError(Problem(name, f"are more than {MAX_NAMES}", "search for fewer at a time"))

    @property
    def needs_content(self) -> bool:
        """Whether a condition can be met only by what is inside the seal: a sealed viewer may not ask that."""
        return _needs_content(self.wanted)

    @property
    def is_everything(self) -> bool:
        """Whether no condition is set."""
        return self.wanted == EventFilter() and not (self.services or self.producers or self.proven)


def _needs_content(wanted: EventFilter) -> bool:
    conditions = (each.name for each in fields(EventFilter) if each.init and each.name != "excluded")
    if any(getattr(wanted, name) for name in conditions if name not in _OUTSIDE_THE_SEAL):
        return True
    return any(_needs_content(other) for other in wanted.excluded)
