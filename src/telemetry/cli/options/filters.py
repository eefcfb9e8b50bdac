"""The options that say which events are wanted, and in which part of the topic they can be; for tail and export."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.reader import ReadRange
from telemetry.reader.filters import MAX_PATTERN, EventFilter, event_time, parse_moment

_PANEL = "Which events"
_CLOCKS = timedelta(minutes=5)
"""How far the clock of a process that logs may be ahead of the broker's."""

Users = Annotated[
    list[str] | None, typer.Option("--user", help="Events of this user. Repeatable.", rich_help_panel=_PANEL)
]
Types = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        help="Events whose type begins so, or fits a pattern with * and ?. Repeatable.",
        rich_help_panel=_PANEL,
    ),
]
Outcomes = Annotated[
    list[str] | None,
    typer.Option("--outcome", help="success, failure or denied. Repeatable.", rich_help_panel=_PANEL),
]
Text = Annotated[
    str | None,
    typer.Option(
        "--text", "--grep", help="Events that hold this text anywhere; case does not count.", rich_help_panel=_PANEL
    ),
]
Since = Annotated[
    str | None,
    typer.Option("--since", help="Events logged since: 15m, 2h, 3d, or an RFC 3339 time.", rich_help_panel=_PANEL),
]
Until = Annotated[str | None, typer.Option("--until", help="Events logged until: as --since.", rich_help_panel=_PANEL)]
Late = Annotated[
    str,
    typer.Option(
        "--late",
        help="With --until: how long after they were logged events may have come to the topic, after an outage.",
        rich_help_panel=_PANEL,
    ),
]
Offset = Annotated[
    int | None, typer.Option("--offset", min=0, help="From this offset in every partition.", rich_help_panel=_PANEL)
]

_ACCESS = "Who reads, and why (kept in the trail)"

Reader = Annotated[
    str | None,
    typer.Option("--as", help="Who reads; default: the user of this system.", rich_help_panel=_ACCESS),
]
Reason = Annotated[
    str | None, typer.Option("--reason", help="Why, such as a ticket's number.", rich_help_panel=_ACCESS)
]

LATE = "7d"

_OPTION_OF = {"outcomes": "--outcome", "types": "--type", "text": "--text", "since": "--since"}
"""Which option fills which field of an ``EventFilter``."""


class Wanted:
    """What the options ask for.

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
        filter: Tells which events are wanted.

    Raises:
        ConfigurationError: A value cannot be used.
    """

    def __init__(
        self,
        *,
        user: list[str] | None,
        event_type: list[str] | None,
        outcome: list[str] | None,
        text: str | None,
        since: str | None,
        until: str | None,
        late: str = LATE,
        now: datetime | None = None,
    ) -> None:
        now = now or datetime.now(UTC)
        self._since = None if since is None else parse_moment(since, "--since", now=now)
        self._until = None if until is None else parse_moment(until, "--until", now=now)
        self._late = now - parse_moment(late, "--late", now=now)
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

    def read_range(
        self, *, offset: int | None = None, end_offset: int | None = None, follow: bool = False
    ) -> ReadRange:
        """Return the part of the topic in which the wanted events can be.

        An event comes to the topic after it was logged, never before, but for the clocks' difference; how long after
        is not known, so that ``--late`` bounds it.
        """
        until = None if self._until is None else self._until.timestamp() + max(self._late.total_seconds(), 0.0)
        return ReadRange(
            since=(self._since - _CLOCKS).timestamp() if self._since else None,
            until=None if follow else until,
            offset=offset,
            end_offset=end_offset,
            follow=follow,
        )


def _with_option_names(error: ConfigurationError) -> ConfigurationError:
    """Return the same problems, each named after the option that a person wrote."""
    return ConfigurationError(
        *(Problem(_OPTION_OF[problem.field], problem.reason, problem.remedy) for problem in error.problems)
    )
