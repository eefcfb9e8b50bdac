"""Compares a value inside an event, which a path leads to, with what is wanted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.format.value.event import AuditEvent
from telemetry.ingest.paths import compile_path
from telemetry.reader.filters.text import NOT_SEARCHED

MAX_VALUE = 1_024
"""Characters of a value."""

_FORM = re.compile(r'((?:[^="\[\]]|"(?:[^"\\]|\\.)*"|\[[^\[\]]*\])+)(?:(=~|=)(.*))?', re.DOTALL)
_REMEDY = "write payload.order.id=77, payload.note=~refund or changes.email"
_FIELDS = frozenset(AuditEvent.__struct_fields__)
_PLAIN = ("payload", "metadata")
"""Members that consist of plain values already."""
_SEARCHED = _FIELDS.difference(NOT_SEARCHED)
_LARGE = 10**15
"""Numbers from here on may be written with an exponent."""

_encode = msgspec.json.Encoder().encode


class Where:
    """One comparison: ``PATH=VALUE``, ``PATH=~TEXT`` (contains, case ignored), or ``PATH`` (there is a value).

    A path begins with a field of the event, for example ``payload``, ``metadata``, ``changes`` or ``user_agent``. A text
    equals the VALUE that is written like it; a number the VALUE that is this number; ``true`` and ``false`` themselves. Of a
    list, one item is enough.

    Args:
        text: The comparison.
        name: Field or option that has the text, for the error.

    Attributes:
        path: The path as it was written.

    Raises:
        ConfigurationError: The text is no comparison, or its path begins with no field of an event.
    """

    def __init__(self, text: str, *, name: str = "where") -> None:
        form = _FORM.fullmatch(text)
        if form is None:
            raise ConfigurationError(Problem(name, "cannot be read", _REMEDY))
        path, operator, value = form[1], form[2], form[3] or ""
        if len(value) > MAX_VALUE or (operator == "=~" and not value):
            raise ConfigurationError(Problem(name, f"a value to search for has 1 to {MAX_VALUE} characters", _REMEDY))
        self._compiled = compile_path(path, option=name)
        unknown = sorted(set(self._compiled.roots) - _FIELDS)
        if unknown:
            reason = f"an event has no field {unknown[0][:64]!r}"
            raise ConfigurationError(Problem(name, reason, "begin the path with payload, metadata, changes or a field"))
        self.path = path
        self._operator = operator
        self._value = value
        self._folded = value.casefold()
        self._number = _number(value)

    @property
    def needle(self) -> str | None:
        """A text that one of the folded texts of an event contains if this holds; None if there is none to look for.

        The texts are those of :func:`telemetry.reader.filters.text.searched_texts`.
        """
        if self._operator is None or not self._folded or not _SEARCHED.issuperset(self._compiled.roots):
            return None
        if self._operator == "=~" or self._number is None:
            return self._folded
        # A number of the event may be written in another way: 77 is 77.0, but not 7.7e1.
        is_short = isinstance(self._number, int) and abs(self._number) < _LARGE
        return str(self._number) if is_short and str(self._number) == self._value else None

    def holds(self, event: AuditEvent) -> bool:
        """Return whether the value is in the event, and is what is wanted."""
        value = self._compiled.find({name: _plain(event, name) for name in self._compiled.roots})
        if self._operator is None:
            return value is not None and value not in ([], {}, ())
        return any(self._is_wanted(each) for each in (value if isinstance(value, list | tuple) else (value,)))

    def _is_wanted(self, value: Any) -> bool:
        if value is None or isinstance(value, dict | list | tuple):
            return False
        if self._operator == "=~":
            return self._folded in _written(value).casefold()
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._number is not None and value == self._number
        return _written(value) == self._value


def all_hold(comparisons: Iterable[Where], event: AuditEvent) -> bool:
    """Return whether an event has a wanted value at every path; of several values for one path, one is enough."""
    found: dict[str, bool] = {}
    for each in comparisons:
        found[each.path] = found.get(each.path, False) or each.holds(event)
    return all(found.values())


def _plain(event: AuditEvent, name: str) -> Any:
    value = getattr(event, name)
    if name in _PLAIN:
        return value
    value = msgspec.to_builtins(value)
    return list(value) if isinstance(value, tuple) else value


def _written(value: Any) -> str:
    return value if isinstance(value, str) else _encode(value).decode()


def _number(text: str) -> int | float | None:
    try:
        number = msgspec.json.decode(text.encode(errors="replace"))
    except msgspec.DecodeError:
        return None
    return number if isinstance(number, int | float) and not isinstance(number, bool) else None
