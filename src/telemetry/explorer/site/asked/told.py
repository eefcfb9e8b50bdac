"""Says in words what was searched for, from the record of a look."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from telemetry.explorer.site.asked.fields import FIELDS

_MAX_VALUES = 3
"""Values of one condition that are named; all of them are on the page of the event."""
_MAX_CHARACTERS = 1_000
_MAX_VALUE = 200
_MAX_DEPTH = 3

_LABELS: Mapping[str, str] = MappingProxyType(
    {each.attribute: each.label[0].lower() + each.label[1:] for each in FIELDS.values() if each.attribute}
)
"""What the form calls a condition."""


def told(conditions: Any, *, depth: int = 0) -> str:
    """Return conditions in words, such as ``user bob; outcome denied``; empty for none.

    Args:
        conditions: The conditions of a record that another program may have written: any JSON value.
        depth: How deep in other conditions they are.
    """
    if not isinstance(conditions, Mapping):
        return _value(conditions, _MAX_DEPTH)[:_MAX_CHARACTERS] if conditions else ""
    parts: list[str] = []
    length = 0
    for name, value in conditions.items():
        part = f"{_LABELS.get(name, str(name).replace('_', ' '))} {_values(value, depth)}".rstrip()
        length += len(part)
        if length > _MAX_CHARACTERS:
            parts.append("and more")
            break
        parts.append(part)
    return "; ".join(parts)


def _values(value: Any, depth: int) -> str:
    if value is True:
        return ""
    if not isinstance(value, list):
        return _value(value, depth)
    said = " or ".join(_value(each, depth) for each in value[:_MAX_VALUES])
    return said if len(value) <= _MAX_VALUES else f"{said} and {len(value) - _MAX_VALUES:,} more"


def _value(value: Any, depth: int) -> str:
    if isinstance(value, Mapping) and depth < _MAX_DEPTH:
        text = f"({told(value, depth=depth + 1)})"
    else:
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}…"
