"""Defines the options that select events, and finds the part of the topic in which the selected events can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.reader import ReadRange
from telemetry.reader.filters import EventFilter, parse_moment
from telemetry.reader.filters.written import read_filter

LATE = "7d"
"""Default of ``--late``."""

_CLOCKS = timedelta(minutes=5)
"""How far the clock of a process that logs may be ahead of the broker's."""

_PANEL = "Which events"


def _filter(*names: str, help_: str) -> Any:
    return typer.Option(*names, help=help_, rich_help_panel=_PANEL)


Since = Annotated[
    str | None, _filter("--since", help_="Events logged at or after this: 15m, 2h, 3d (ago), or an RFC 3339 time.")
]
Until = Annotated[str | None, _filter("--until", help_="Events logged at or before this; written like --since.")]
Late = Annotated[
    str,
    _filter(
        "--late",
        help_="With --until: how long after the call an event may have reached the topic, for instance after an outage.",
    ),
]
Offset = Annotated[
    int | None, typer.Option("--offset", min=0, help="Start at this offset in every partition.", rich_help_panel=_PANEL)
]
_Moment = str | None
_Texts = list[str] | None

# By the name of the value, each with its default. Options that may be repeated are named as a field of EventFilter.
_LISTS: dict[str, tuple[Any, Any]] = {
    "users": (Annotated[_Texts, _filter("--user", help_="Events of this user. Repeatable.")], None),
    "actors": (
        Annotated[_Texts, _filter("--actor", help_="Events in which this one acted, the user or another. Repeatable.")],
        None,
    ),
    "actor_types": (
        Annotated[_Texts, _filter("--actor-type", help_="Actor: user, service, system or anonymous. Repeatable.")],
        None,
    ),
    "tenants": (Annotated[_Texts, _filter("--tenant", help_="Events of this tenant. Repeatable.")], None),
    "entities": (
        Annotated[_Texts, _filter("--entity", help_="Events about this: order, or order/77. Repeatable.")],
        None,
    ),
    "addresses": (
        Annotated[_Texts, _filter("--ip", help_="From this address or network: 10.0.0.7, 10.0.0.0/8. Repeatable.")],
        None,
    ),
    "sessions": (Annotated[_Texts, _filter("--session", help_="Events of this session. Repeatable.")], None),
    "correlations": (
        Annotated[_Texts, _filter("--correlation", help_="Events with this correlation id. Repeatable.")],
        None,
    ),
    "ids": (Annotated[_Texts, _filter("--id", help_="The event with this id. Repeatable.")], None),
    "types": (
        Annotated[
            _Texts,
            _filter(
                "--type", help_="Events whose type starts with this or matches a pattern with * and ?. Repeatable."
            ),
        ],
        None,
    ),
    "outcomes": (
        Annotated[_Texts, _filter("--outcome", help_="Outcome: success, failure or denied. Repeatable.")],
        None,
    ),
    "where": (
        Annotated[
            _Texts,
            _filter(
                "--where",
                help_="A value: payload.order.id=77, payload.note=~refund (contains), changes.email (exists). Repeatable.",
            ),
        ],
        None,
    ),
}
FILTERS: dict[str, tuple[Any, Any]] = {
    "since": (Since, None),
    "until": (Until, None),
    "late": (Late, LATE),
    "occurred_since": (
        Annotated[_Moment, _filter("--occurred-since", help_="Of what happened at or after this; like --since.")],
        None,
    ),
    "occurred_until": (
        Annotated[_Moment, _filter("--occurred-until", help_="Of what happened at or before this; like --since.")],
        None,
    ),
    **_LISTS,
    "text": (
        Annotated[
            str | None,
            _filter(
                "--text",
                "--grep",
                help_="Events with this text, in any case, in a value or in a name inside payload, metadata or changes.",
            ),
        ],
        None,
    ),
    "adjusted": (
        Annotated[bool, _filter("--adjusted", help_="Events of which something was cut, escaped or replaced.")],
        False,
    ),
    "excluded": (
        Annotated[
            _Texts,
            _filter(
                "--not", help_="Leave out what a filter selects: user=ada, ip=10.0.0.0/8, where=PATH=VALUE. Repeatable."
            ),
        ],
        None,
    ),
}
"""Annotation and default of each option, by the name of its value."""


class FilterOptions:
    """The events that the options select.

    Args:
        values: Values of the options in ``FILTERS``, by name; one that is absent was not given.
        now: The present time.

    Attributes:
        filter: Selects the events.

    Raises:
        ConfigurationError: A value cannot be used.
    """

    def __init__(self, values: Mapping[str, Any], *, now: datetime | None = None) -> None:
        now = now or datetime.now(UTC)
        self._since = _moment(values, "since", now=now)
        self._until = _moment(values, "until", now=now)
        self._late = now - parse_moment(values.get("late", LATE), "--late", now=now)
        self.filter = read_filter(values, now=now, prefix="--")

    @property
    def selects_by_content(self) -> bool:
        """Whether an event must be opened to see if it is selected; its time of logging is not enough."""
        return self.filter != EventFilter(since=self.filter.since, until=self.filter.until)

    def read_range(
        self,
        *,
        offset: int | None = None,
        end_offset: int | None = None,
        follow: bool = False,
        group: str | None = None,
    ) -> ReadRange:
        """Return the part of the topic in which the selected events can be.

        Apart from the difference of the clocks, an event reaches the topic after it was logged, never before. How long
        after is unknown, so ``--late`` bounds it.
        """
        # Kafka's timestamps, unlike the events' own times, are the broker's, and those of arrival.
        until = None if self._until is None else self._until.timestamp() + max(self._late.total_seconds(), 0.0)
        with _naming_group():
            return ReadRange(
                since=(self._since - _CLOCKS).timestamp() if self._since else None,
                until=None if follow else until,  # following ends by an interrupt only
                offset=offset,
                end_offset=end_offset,
                follow=follow,
                group=group,
            )


def _moment(values: Mapping[str, Any], name: str, *, now: datetime) -> datetime | None:
    text = values.get(name)
    return None if text is None else parse_moment(text, f"--{name.replace('_', '-')}", now=now)


@contextmanager
def _naming_group() -> Iterator[None]:
    """Name the option instead of the field, of which a problem can only be the group."""
    try:
        yield
    except ConfigurationError as exc:
        raise ConfigurationError(*(Problem("--group", each.reason, each.remedy) for each in exc.problems)) from exc
