"""Turns the values of a row into what an event shows: small, immutable, and never a masked value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ClauseElement

from telemetry.integrations.shown_values import MAX_CHARACTERS, binary_digest, bounded_text

MISSING: Final[Any] = object()
"""Stands for a value that nobody knows."""

_MAX_ITEMS = 100
_MAX_DEPTH = 6


def shown(value: Any, *, depth: int = 0) -> Any:
    """Return a copy of a value that later changes of it cannot reach, with digests for what is large or binary."""
    if value is None or isinstance(value, (bool, int, float, Decimal, date, time, timedelta, UUID)):
        # Of an enum that is an integer too, the name.
        return value.name if isinstance(value, Enum) else value
    if isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return _container(value, depth + 1) if depth < _MAX_DEPTH else f"[{len(value)} values]"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return binary_digest(value)
    return _text(value)


def _text(value: Any) -> Any:
    if isinstance(value, ClauseElement):
        return "[computed by the database]"
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, str):
        return bounded_text(value)
    return _text_of(value)


def _container(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        pairs = {_text_of(name): shown(each, depth=depth) for name, each in _first(value.items())}
        return pairs | _rest(value)
    return [shown(each, depth=depth) for each in _first(value)] + list(_rest(value))


def identity_text(identity: Iterable[Any]) -> Any:
    """Return the id of a row: the value itself, or a JSON array for a key of several columns; None if a part is unknown."""
    parts = list(identity)
    if not parts or any(part is None or part is MISSING for part in parts):
        return None
    if len(parts) == 1:
        return parts[0] if isinstance(parts[0], (str, int, UUID)) else _text_of(parts[0])
    return json.dumps(parts, default=_text_of, separators=(",", ":"), ensure_ascii=False)


def _first(items: Iterable[Any]) -> list[Any]:
    return [each for each, _ in zip(items, range(_MAX_ITEMS), strict=False)]


def _rest(items: Any) -> dict[str, Any]:
    more = len(items) - _MAX_ITEMS
    return {f"[{more} more]": None} if more > 0 else {}


def _text_of(value: Any) -> str:
    try:
        return str(value)[:MAX_CHARACTERS]
    except Exception:  # noqa: BLE001 - the application's own type may raise anything; the event names it all the same
        return f"<{type(value).__name__}>"
