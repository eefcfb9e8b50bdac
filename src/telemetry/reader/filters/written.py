"""Reads a filter as a person writes it: as options of a command, or as parameters of an address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import MappingProxyType
from typing import Any

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.reader.filters.event_filter import MAX_PATTERN, EventFilter
from telemetry.reader.filters.moments import event_time, parse_moment

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "users": "user",
        "actors": "actor",
        "actor_types": "actor-type",
        "tenants": "tenant",
        "entities": "entity",
        "addresses": "ip",
        "sessions": "session",
        "correlations": "correlation",
        "ids": "id",
        "types": "type",
        "outcomes": "outcome",
        "where": "where",
        "text": "text",
        "since": "since",
        "until": "until",
        "occurred_since": "occurred-since",
        "occurred_until": "occurred-until",
        "adjusted": "adjusted",
        "excluded": "not",
    }
)
"""How a person writes each field of an ``EventFilter``; a command puts two dashes before it."""

TIMES = ("since", "until", "occurred_since", "occurred_until")
"""Fields whose text is a moment."""
SINGLE = (*TIMES, "text", "adjusted")
"""Fields that have one value; every other field has several."""

_ORDERED = ("types", "where")
_EXCLUDABLE = {name: field for field, name in NAMES.items() if field not in (*TIMES, "adjusted", "excluded")}


def read_filter(written: Mapping[str, Any], *, now: datetime, prefix: str = "") -> EventFilter:
    """Return the filter that a person wrote.

    Args:
        written: Texts by field of ``EventFilter``: one text for each of ``SINGLE`` (``adjusted`` is a truth value), a sequence of
            texts for the others. What is absent or None was not given.
        now: The present time, for ``15m`` and ``3d``.
        prefix: Put before the names in problems: ``--`` where they are options.

    Raises:
        ConfigurationError: Some text cannot be used; each problem names its field as it is written.
    """
    # Every event contains the empty text; it is an unset variable of a script rather than a wish.
    if written.get("text") == "":
        raise ConfigurationError(Problem(f"{prefix}text", "is empty", f"write 1 to {MAX_PATTERN} characters"))
    wanted: dict[str, Any] = {
        field: _collected(field, written.get(field)) for field in NAMES if field not in (*SINGLE, "excluded")
    }
    # All of them are said at once: a form is filled in once more, not once for each.
    problems: list[Problem] = []
    for field in TIMES:
        with _noting(problems):
            text = written.get(field)
            wanted[field] = "" if text is None else event_time(parse_moment(text, prefix + NAMES[field], now=now))
    with _noting(problems):
        wanted["excluded"] = tuple(_excluded(text, prefix=prefix) for text in written.get("excluded") or ())
    if problems:
        raise ConfigurationError(*problems)
    with _as_written(prefix):
        return EventFilter(**wanted, text=written.get("text") or "", adjusted=bool(written.get("adjusted")))


def _collected(field: str, texts: Any) -> frozenset[str] | tuple[str, ...]:
    return tuple(texts or ()) if field in _ORDERED else frozenset(texts or ())


def _excluded(text: str, *, prefix: str) -> EventFilter:
    """Return the filter that a value of ``not`` names: another name, and its value."""
    name, _, value = text.partition("=")
    field = _EXCLUDABLE.get(name)
    if name == "adjusted" and not value:
        return EventFilter(adjusted=True)
    if field is None or not value:
        reason = f"{name[:64]!r} is no filter with a value"
        remedy = f"write NAME=VALUE with a name of {', '.join(_EXCLUDABLE)}"
        raise ConfigurationError(Problem(f"{prefix}not", reason, remedy))
    wanted: dict[str, Any] = {field: value if field == "text" else _collected(field, [value])}
    with _as_written(prefix, every="not"):
        return EventFilter(**wanted)


@contextmanager
def _noting(problems: list[Problem]) -> Iterator[None]:
    try:
        yield
    except ConfigurationError as exc:
        problems.extend(exc.problems)


@contextmanager
def _as_written(prefix: str, *, every: str | None = None) -> Iterator[None]:
    """Name what the person wrote instead of the field in each problem."""
    try:
        yield
    except ConfigurationError as exc:
        raise ConfigurationError(
            *(Problem(prefix + (every or NAMES[each.field]), each.reason, each.remedy) for each in exc.problems)
        ) from exc
