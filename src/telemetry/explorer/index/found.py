"""Defines the answers of the index: a page of rows, and counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import nlargest
from operator import itemgetter

from telemetry.explorer.index.row import Row
from telemetry.reader.entry import Proven

MOST_DAYS = 4_000
"""Days of one answer, eleven years: the times of records are what their writers want."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of rows.

    Attributes:
        rows: The rows, in the order that the search asked for.
        total: How many rows the search found, on all pages.
        next: Cursor of the next page; None if this is the last.
        is_partial: Whether the search ended early because it took too long: ``total`` counts what was found until then.
        searched_to: Time of the first row that was not looked at, if it ended early; everything before it in the order of
            the search was looked at.
    """

    rows: list[Row]
    total: int
    next: str | None = None
    is_partial: bool = False
    searched_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How often the values of one field occur.

    Attributes:
        top: Values and counts, the most frequent first; of equal counts in the order of the values.
        rest: Events with any other value.
        others: How many other values there are.
    """

    top: list[tuple[str, int]]
    rest: int = 0
    others: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the rows that a search found have in common.

    Attributes:
        total: How many there are.
        types: Event types.
        outcomes: Outcomes; events without one are not counted. Empty without content.
        users: Users. Empty without content.
        services: CloudEvents sources.
        days: Days (UTC, ``YYYY-MM-DD``) with events and their number, in order; of more than ``MOST_DAYS``, those with the
            most events.
        verdicts: How many rows there are of each verdict; without those of which there are none.
        clear: Rows that were not sealed.
        foreign: Rows that the trail should not have, where the search finds them.
        is_partial: As in :class:`Found`.
    """

    total: int
    types: Tally
    outcomes: Tally
    users: Tally
    services: Tally
    days: list[tuple[str, int]]
    verdicts: Mapping[Proven, int] = field(default_factory=dict)
    clear: int = 0
    foreign: int = 0
    is_partial: bool = False


def busiest_days(counted: Mapping[str | None, int]) -> list[tuple[str, int]]:
    """Return the days with the most events, in order; no more than fit an answer."""
    days = [(day, count) for day, count in counted.items() if day]
    return sorted(nlargest(MOST_DAYS, days, key=itemgetter(1)))
