"""Finds the rows of segments that a search selects, and says so when it took too long."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from telemetry.explorer.index.find.conditions import Candidates, Condition, InColumn, conditions_of
from telemetry.explorer.index.search import Search
from telemetry.explorer.index.store.bodies import BodyReader
from telemetry.explorer.index.store.columns import Rows
from telemetry.explorer.index.store.line import FOREIGN, OPENED
from telemetry.explorer.index.store.segment import PROVEN, Segment
from telemetry.reader.filters import EventFilter

_EVENTS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Selected:
    """The rows of one segment that a search found.

    Attributes:
        segment: The segment.
        rows: The rows, ascending.
    """

    segment: Segment
    rows: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All rows that a search found.

    Attributes:
        parts: Segments with their rows, in the order of time.
        total: How many rows.
        searched_to: Time of the first row that was not looked at, where the search took too long; otherwise None.
    """

    parts: Sequence[Selected]
    total: int
    searched_to: str | None = None


class Patience:
    """Measures what a search costs.

    Args:
        seconds: Most seconds of processor time.
    """

    def __init__(self, seconds: float) -> None:
        self._ends = time.thread_time() + seconds

    @property
    def is_over(self) -> bool:
        """Whether the time is used up."""
        return time.thread_time() >= self._ends


class Sieve:
    """Finds the rows that one search selects.

    Args:
        search: The search.
        with_content: Whether content may be looked into; without it, hidden types stay hidden.
    """

    def __init__(self, search: Search, *, with_content: bool) -> None:
        self._search = search
        self._filter = _FilterSieve(search.wanted, with_content=with_content)
        self._outside: list[Condition] = []
        if search.services:
            self._outside.append(InColumn("service", search.services))
        if search.producers:
            self._outside.append(InColumn("producer", search.producers))
        self._proven = frozenset(PROVEN.index(each) for each in search.proven)

    def select(self, segments: Sequence[Segment], patience: Patience) -> Selection:
        """Return the rows that the search finds, those that it shows first looked at first."""
        newest_first = self._search.newest_first
        parts: list[Selected] = []
        searched_to = None
        for segment in reversed(segments) if newest_first else segments:
            if patience.is_over:
                searched_to = segment.keys.time(len(segment) - 1 if newest_first else 0)
                break
            found = self._candidates(segment)
            rows = found.rows
            if found.unsure:
                rows, searched_to = self._certain(segment, found, patience)
            if rows:
                parts.append(Selected(segment, rows))
            if searched_to is not None:
                break
        if newest_first:
            parts.reverse()
        return Selection(parts=parts, total=sum(len(part.rows) for part in parts), searched_to=searched_to)

    def _candidates(self, segment: Segment) -> Candidates:
        found = Candidates(segment.rows)
        if not self._search.foreign:
            found.narrow(segment.flagged(FOREIGN, found.rows, wanted=False))
        if self._proven:
            proven = segment.proven
            found.narrow([row for row in found.rows if proven[row] in self._proven])
        if self._search.needs_content:
            found.narrow(segment.flagged(OPENED, found.rows))
        for condition in self._outside:
            if found.rows:
                condition.apply(segment, found)
        self._filter.apply(segment, found)
        return found

    def _certain(self, segment: Segment, found: Candidates, patience: Patience) -> tuple[Rows, str | None]:
        """Return the candidates that the search finds, and the time of the first that was not looked at, if it took too long."""
        reader, wanted = BodyReader(), self._search.wanted
        kept: list[int] = []
        time_of_next = None
        for looked, row in enumerate(reversed(found.rows) if self._search.newest_first else found.rows, start=1):
            if looked % _EVENTS_AT_ONCE == 0 and patience.is_over:
                time_of_next = segment.keys.time(row)
                break
            body = segment.contents.body(row) if row in found.unsure else None
            if row not in found.unsure or (body is not None and wanted.matches(reader.event(body))):
                kept.append(row)
        return sorted(kept), time_of_next


class _FilterSieve:
    """Finds the rows that a filter selects.

    Args:
        wanted: The filter.
        with_content: As for :class:`Sieve`.
    """

    def __init__(self, wanted: EventFilter, *, with_content: bool) -> None:
        self._conditions = list(conditions_of(wanted, with_content=with_content))
        self._excluded = [_FilterSieve(other, with_content=with_content) for other in wanted.excluded]

    def apply(self, segment: Segment, found: Candidates) -> None:
        """Keep the candidates that the filter selects, or may select."""
        for condition in self._conditions:
            if not found.rows:
                return
            condition.apply(segment, found)
        for other in self._excluded:
            out = Candidates(found.rows)
            other.apply(segment, out)
            certain = set(out.rows) - out.unsure
            if certain:
                found.narrow([row for row in found.rows if row not in certain])
            found.unsure.update(out.unsure.intersection(found.rows))


def directed(selection: Selection, *, newest_first: bool) -> Iterator[tuple[Segment, int]]:
    """Yield the rows one by one, in the order that the search asked for."""
    for part in reversed(selection.parts) if newest_first else selection.parts:
        rows: Iterable[int] = reversed(part.rows) if newest_first else part.rows
        for row in rows:
            yield part.segment, row
