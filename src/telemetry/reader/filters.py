"""Selects opened events by user, type, outcome, time and text; the clock's time is passed in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import translate
from typing import Any

import msgspec

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.format.value.event import AuditEvent
from telemetry.system.clock import rfc3339

OUTCOMES = ("success", "failure", "denied")
MAX_PATTERN = 1_024

_AGO = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_WILDCARDS = re.compile(r"[*?\[]")
_FIELDS = tuple(
    name
    for name in AuditEvent.__struct_fields__
    if name not in ("payload", "metadata", "schema_version", "features", "clear_fields", "dedup")
)

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Matches the events that meet every condition that is set.

    Attributes:
        users: Events of one of these users, written exactly.
        types: Events of one of these types: the type or its beginning, or a pattern with ``*``, ``?`` and ``[...]``.
        outcomes: Events with one of these outcomes.
        since: Events logged at this time or later, as the event writes it (RFC 3339, UTC, microseconds).
        until: Events logged at this time or earlier.
        text: Events that contain this text in any value, or in a name inside payload or metadata; case is ignored.

    Raises:
        ConfigurationError: An outcome does not exist, a pattern is too long, or ``since`` is after ``until``.
    """

    users: frozenset[str] = frozenset()
    types: tuple[str, ...] = ()
    outcomes: frozenset[str] = frozenset()
    since: str = ""
    until: str = ""
    text: str = ""
    _type: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)
    _folded: str = field(init=False, repr=False, compare=False, default="")
    _written_alike: bool = field(init=False, repr=False, compare=False, default=False)

    def __post_init__(self) -> None:
        _require_usable(self)
        if self.types:
            object.__setattr__(self, "_type", re.compile("|".join(_pattern(kind) for kind in self.types)))
        object.__setattr__(self, "_folded", self.text.casefold())
        # JSON has such a text unescaped, so that most events without it are recognized by their JSON alone.
        object.__setattr__(self, "_written_alike", _encode(self._folded)[1:-1] == self._folded.encode())

    def matches(self, event: AuditEvent) -> bool:
        """Return whether the event meets every condition."""
        return (
            (not self.users or event.user_id in self.users)
            and (self._type is None or self._type.match(event.event_type) is not None)
            and (not self.outcomes or event.outcome in self.outcomes)
            and (not self.since or event.time >= self.since)
            and (not self.until or event.time <= self.until)
            and (not self._folded or self._contains_text(event))
        )

    def describe(self, *, with_text: bool) -> dict[str, Any]:
        """Return the conditions that are set, for the record of the read.

        Args:
            with_text: Include the text that was searched for; otherwise only the fact that there was one.
        """
        conditions: dict[str, Any] = {
            "users": sorted(self.users),
            "types": list(self.types),
            "outcomes": sorted(self.outcomes),
            "since": self.since,
            "until": self.until,
            "text": (self.text if with_text else True) if self.text else None,
        }
        return {name: value for name, value in conditions.items() if value}

    def _contains_text(self, event: AuditEvent) -> bool:
        # The JSON of the whole event is cheap to search, and most events do not contain the text.
        if self._written_alike and self._folded not in _encode(event).decode().casefold():
            return False
        return any(self._folded in text.casefold() for text in _texts(event))


def parse_moment(text: str, name: str, *, now: datetime) -> datetime:
    """Return the moment that a person means by ``15m``, ``2h``, ``3d`` or ``1w`` (ago), or by an ISO 8601 time (UTC by default).

    Args:
        text: The text.
        name: The field or option that has the text, for the error.
        now: The present time.

    Raises:
        ConfigurationError: The text is not a time, or one outside the years 1 to 9999.
    """
    try:
        ago = _AGO.fullmatch(text)
        if ago:
            return now.astimezone(UTC) - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]])
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        problem = Problem(name, f"{text[:64]!r} is not a time", "write 15m, 2h, 3d or 2026-01-31T12:00:00Z")
        raise ConfigurationError(problem) from exc


def event_time(moment: datetime) -> str:
    """Return a moment in the form of an event's time, so that the texts compare as the times do."""
    return rfc3339(moment, timespec="microseconds")


def _require_usable(conditions: EventFilter) -> None:
    problems = [
        Problem("outcomes", f"there is no outcome {outcome[:64]!r}", f"use {', '.join(OUTCOMES)}")
        for outcome in sorted(conditions.outcomes.difference(OUTCOMES))
    ]
    problems += [
        Problem(name, f"is longer than {MAX_PATTERN} characters", "search for less")
        for name, texts in (("types", conditions.types), ("text", (conditions.text,)))
        if any(len(text) > MAX_PATTERN for text in texts)
    ]
    if any(not kind for kind in conditions.types):
        problems.append(Problem("types", "contains an empty one", "leave it out to get every type"))
    if conditions.since and conditions.until and conditions.since > conditions.until:
        problems.append(Problem("since", "is later than until", "swap them"))
    if problems:
        raise ConfigurationError(*problems)


def _pattern(kind: str) -> str:
    """Return a regular expression that is matched from the beginning of a type."""
    return translate(kind) if _WILDCARDS.search(kind) else re.escape(kind)


def _texts(event: AuditEvent) -> Iterator[str]:
    # A list of its own instead of recursion: payloads may be nested deeply.
    waiting: list[Any] = [getattr(event, name) for name in _FIELDS]
    waiting += (event.metadata, event.payload)
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif value is not None:
            yield _encode(value).decode()
