"""Checks what a declaration of a catalogue says."""

from __future__ import annotations

import inspect
import re
from typing import Any, TypeVar

from telemetry.exceptions import ConfigurationError, Problem

_T = TypeVar("_T")

_MOST_SECONDS = 3_600.0
_PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


def checked_text(value: Any, place: str, limit: int) -> str:
    """Return a text of 1 to ``limit`` characters without control characters.

    Raises:
        ConfigurationError: It is something else.
    """
    if isinstance(value, str) and not value.isspace() and len(value) <= limit and _PLAIN.fullmatch(value):
        return str.__str__(value)
    raise ConfigurationError(Problem(place, f"must be 1 to {limit} characters without control characters"))


def one_of(value: _T, allowed: tuple[Any, ...], place: str) -> _T:
    """Return a value that is one of those that exist.

    Raises:
        ConfigurationError: It is another one.
    """
    if value in allowed:
        return value
    names = ", ".join(str(each) for each in allowed if each is not None)
    raise ConfigurationError(Problem(place, "is not one of those that exist", f"use {names}"))


def checked_seconds(value: Any, place: str) -> float:
    """Return a number of seconds.

    Raises:
        ConfigurationError: It is no number above 0 and up to an hour.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _MOST_SECONDS:
        return float(value)
    raise ConfigurationError(Problem(place, f"must be above 0 and at most {_MOST_SECONDS:g} seconds"))


def first_paragraph(kind: type[Any]) -> str:
    """Return the first paragraph of a class's own docstring as one line; empty if it has none."""
    text = inspect.cleandoc(vars(kind).get("__doc__") or "")
    # A dataclass without a docstring gets its signature.
    return "" if text.startswith(f"{kind.__name__}(") else " ".join(text.partition("\n\n")[0].split())
