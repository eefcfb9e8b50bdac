"""Keeps the events that a person collects for an evidence pack, and how they were chosen."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from telemetry.evidence import MAX_EVENTS, Sample
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.explorer.access.session import Session
from telemetry.format.uuid7 import is_uuid
from telemetry.reader import EventFilter

MAX_CHOICES = 50
"""Choices that are remembered; further events are collected only after the basket was emptied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A random sample, so that it can be drawn again from the trail.

    Attributes:
        sample: Size and seed.
        population: How many events it was drawn from.
        wanted: Selects the population; None if no filter of the command can, such as one by service.
    """

    sample: Sample
    population: int
    wanted: EventFilter | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How some events came into the basket.

    Attributes:
        conditions: What was searched for; None where single events were chosen.
        events: How many events it added.
        drawing: The sample; None where all were taken.
    """

    conditions: Mapping[str, Any] | None
    events: int
    drawing: Drawing | None = None

    def describe(self) -> dict[str, Any]:
        """Return it as plain values, for the record of the export."""
        chosen: dict[str, Any] = {"events": self.events}
        if self.conditions is not None:
            chosen["search"] = dict(self.conditions)
        if self.drawing is not None:
            sample = self.drawing.sample
            chosen["sample"] = {"size": sample.size, "seed": sample.seed, "population": self.drawing.population}
        return chosen


class Basket:
    """Up to 1,000 events, each once, in the order in which they were chosen. Requests of one person may come at once."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}
        self._choices: list[Choice] = []
        self._changing = threading.Lock()

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def ids(self) -> tuple[str, ...]:
        """The events."""
        with self._changing:
            return tuple(self._ids)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """How they were chosen, the first choice first; removed events count in it."""
        with self._changing:
            return tuple(self._choices)

    @property
    def room(self) -> int:
        """How many more events there is room for."""
        return MAX_EVENTS - len(self._ids)

    @property
    def drawing(self) -> Drawing | None:
        """The sample that the basket consists of, if it is nothing else and can be drawn again; otherwise None."""
        with self._changing:
            if len(self._choices) != 1 or self._choices[0].events != len(self._ids):
                return None
            drawing = self._choices[0].drawing
        return drawing if drawing is not None and drawing.wanted is not None else None

    def add(
        self, event_ids: Sequence[str], *, conditions: Mapping[str, Any] | None = None, drawing: Drawing | None = None
    ) -> int:
        """Add events, all or none of them; return how many were not in it yet.

        Args:
            event_ids: UUIDv7 of the events.
            conditions: What was searched for; None where single events were chosen.
            drawing: The sample that they are; None where all were taken.

        Raises:
            ConfigurationError: One of them is not the id of an event, or there is no room for all of them.
        """
        if not all(map(is_uuid, event_ids)):
            problem = Problem("id", "is not the id of an event that can be proven", "add it from the page of an event")
            raise ConfigurationError(problem)
        with self._changing:
            new = [event_id for event_id in dict.fromkeys(event_ids) if event_id not in self._ids]
            if len(self._ids) + len(new) > MAX_EVENTS:
                raise ConfigurationError(too_many(len(new), room=MAX_EVENTS - len(self._ids)))
            if new:
                self._remember(Choice(conditions=conditions, events=len(new), drawing=drawing))
                self._ids.update(dict.fromkeys(new))
        return len(new)

    def remove(self, event_ids: Iterable[str]) -> int:
        """Take events out; return how many were in it."""
        with self._changing:
            known = [event_id for event_id in dict.fromkeys(event_ids) if event_id in self._ids]
            for event_id in known:
                del self._ids[event_id]
            if not self._ids:
                self._choices.clear()
        return len(known)

    def empty(self) -> None:
        """Take everything out."""
        with self._changing:
            self._ids.clear()
            self._choices.clear()

    def _remember(self, choice: Choice) -> None:
        last = self._choices[-1] if self._choices else None
        is_single = choice.conditions is None and choice.drawing is None
        if is_single and last is not None and last.conditions is None and last.drawing is None:
            self._choices[-1] = Choice(conditions=None, events=last.events + choice.events)
            return
        if len(self._choices) == MAX_CHOICES:
            reason = f"was filled by {MAX_CHOICES} searches and samples already, and no more are remembered"
            raise ConfigurationError(Problem("basket", reason, "write a pack of it, and begin another one"))
        self._choices.append(choice)


class Baskets:
    """The basket of each session; it is gone with the session."""

    def __init__(self) -> None:
        self._of: WeakKeyDictionary[Session, Basket] = WeakKeyDictionary()
        self._changing = threading.Lock()

    def of(self, session: Session) -> Basket:
        """Return the basket of a session; it is empty at first."""
        with self._changing:
            return self._of.setdefault(session, Basket())


def too_many(events: int, *, room: int) -> Problem:
    """Return the problem of events that do not fit into a basket."""
    reason = f"has room for {room:,} more events, and these are {events:,}"
    return Problem("basket", reason, "narrow the search, draw a sample of it, or write a pack and begin another one")
