"""Defines the options that select events, and finds the part of the topic in which the selected events can be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.reader import ReadRange
from telemetry.reader.filters import MAX_PATTERN, EventFilter, event_time, parse_moment

LATE = "7d"
"""Default of ``--late``."""

_CLOCKS = timedelta(minutes=5)
"""How far the clock of a process that logs may be ahead of the broker's."""

_OPTION_OF = {"outcomes": "--outcome", "types": "--type", "text": "--text", "since": "--since"}
"""The option that fills each field of an ``EventFilter``."""

_PANEL = "Which events"

Users = Annotated[
    list[str] | None, typer.Option("--user", help="Events of this user. Repeatable.", rich_help_panel=_PANEL)
]
Types = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        help="Events whose type starts with this or matches a pattern with * and ?. Repeatable.",
        rich_help_panel=_PANEL,
    ),
]
Outcomes = Annotated[
    list[str] | None,
    typer.Option(
        "--outcome", help="Events with this outcome: success, failure or denied. Repeatable.", rich_help_panel=_PANEL
    ),
]
Text = Annotated[
    str | None,
    typer.Option(
        "--text", "--grep", help="Events that contain this text anywhere, in any case.", rich_help_panel=_PANEL
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        help="Events logged at or after this: 15m, 2h, 3d (ago), or an RFC 3339 time.",
        rich_help_panel=_PANEL,
    ),
]
Until = Annotated[
    str | None,
    typer.Option("--until", help="Events logged at or before this; written like --since.", rich_help_panel=_PANEL),
]
Late = Annotated[
    str,
    typer.Option(
        "--late",
        help="With --until: how long after the call an event may have reached the topic, for instance after an outage.",
        rich_help_panel=_PANEL,
    ),
]
Offset = Annotated[
    int | None, typer.Option("--offset", min=0, help="Start at this offset in every partition.", rich_help_panel=_PANEL)
]


class FilterOptions:
    """The events that the options select.

    Args:
        user: Values of ``--user``.
        event_type: Values of ``--type``.
        outcome: Values of ``--outcome``.
        text: Value of ``--text``.
        since: Value of ``--since``.
        until: Value of ``--until``.
        late: Value of ``--late``.
        now: The present time.

    Attributes:
        filter: Selects the events.

    Raises:
        ConfigurationError: A value cannot be used.
    """

    def __init__(
        self,
        *,
        user: list[str] | None = None,
        event_type: list[str] | None = None,
        outcome: list[str] | None = None,
        text: str | None = None,
        since: str | None = None,
        until: str | None = None,
        late: str = LATE,
        now: datetime | None = None,
    ) -> None:
        now = now or datetime.now(UTC)
        self._since = None if since is None else parse_moment(since, "--since", now=now)
        self._until = None if until is None else parse_moment(until, "--until", now=now)
        self._late = now - parse_moment(late, "--late", now=now)
        # Every event contains the empty text; it is an unset variable of a script rather than a wish.
        if text is not None and not text:
            raise ConfigurationError(Problem("--text", "is empty", f"write 1 to {MAX_PATTERN} characters"))
        try:
            self.filter = EventFilter(
                users=frozenset(user or ()),
                types=tuple(event_type or ()),
                outcomes=frozenset(outcome or ()),
                since=event_time(self._since) if self._since else "",
                until=event_time(self._until) if self._until else "",
                text=text or "",
            )
        except ConfigurationError as exc:
            raise _with_option_names(exc) from exc

    @property
    def selects_by_content(self) -> bool:
        """Whether an event must be opened to see if it is selected; its time of logging is not enough."""
        return self.filter != EventFilter(since=self.filter.since, until=self.filter.until)

    def read_range(
        self, *, offset: int | None = None, end_offset: int | None = None, follow: bool = False
    ) -> ReadRange:
        """Return the part of the topic in which the selected events can be.

        Apart from the difference of the clocks, an event reaches the topic after it was logged, never before. How long
        after is unknown, so ``--late`` bounds it.
        """
        # Kafka's timestamps, unlike the events' own times, are the broker's, and those of arrival.
        until = None if self._until is None else self._until.timestamp() + max(self._late.total_seconds(), 0.0)
        return ReadRange(
            since=(self._since - _CLOCKS).timestamp() if self._since else None,
            until=None if follow else until,  # following ends by an interrupt only
            offset=offset,
            end_offset=end_offset,
            follow=follow,
        )


def _with_option_names(error: ConfigurationError) -> ConfigurationError:
    """Return the same problems, each with the name of the option instead of the field."""
    return ConfigurationError(
        *(Problem(_OPTION_OF[problem.field], problem.reason, problem.remedy) for problem in error.problems)
    )
