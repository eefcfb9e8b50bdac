"""Lists how the attributes of a thing changed, one line for each that differs, inside nested values too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from telemetry.format.value.members import Change as Pair
from telemetry.pages.event.json_text import json_text

MAX_CHANGES = 500
"""Lines that are shown of one event."""
_MAX_DEPTH = 6
"""Levels of nested values in which single attributes are compared."""
_MAX_VALUE = 2_000
"""Characters of one side; an export of the event has the whole."""
_MAX_PATH = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One attribute before and after.

    Attributes:
        path: Name of the attribute; a dot leads into a nested one. Text from outside.
        before: Value before; None where it is absent.
        after: Value after; None where it is absent.
        is_rest: Whether this line stands for further ones that are not shown; ``path`` says how many.
    """

    path: str
    before: str | None = None
    after: str | None = None
    is_rest: bool = False

    def __repr__(self) -> str:
        return "Change()"


def changes(event: Any) -> list[Change]:
    """Return how the thing of an event changed, at most :data:`MAX_CHANGES` lines and one that says how many were left out.

    Args:
        event: An ``AuditEvent``.
    """
    pairs: Mapping[str, Pair] = event.changes
    every = (change for name, pair in pairs.items() for change in _compare(name, pair.old, pair.new, depth=1))
    listed = list(islice(every, MAX_CHANGES))
    # Counted without being written: there can be as many as an event has room for.
    more = sum(1 for _ in every)
    return [*listed, Change(path=f"and {more:,} more attributes", is_rest=True)] if more else listed


def _compare(path: str, old: Any, new: Any, *, depth: int) -> Iterator[Change]:
    if not (isinstance(old, dict) and isinstance(new, dict) and depth < _MAX_DEPTH):
        yield Change(path=path[:_MAX_PATH], before=_text(old), after=_text(new))
        return
    differing = [name for name in {**old, **new} if old.get(name, msgspec.UNSET) != new.get(name, msgspec.UNSET)]
    if not differing:
        yield Change(path=path[:_MAX_PATH], before=_text(old), after=_text(new))
    for name in differing:
        inside = f"{path}.{name}"
        yield from _compare(inside, old.get(name, msgspec.UNSET), new.get(name, msgspec.UNSET), depth=depth + 1)


def _text(value: Any) -> str | None:
    return None if value is msgspec.UNSET else json_text(value, most=_MAX_VALUE)
