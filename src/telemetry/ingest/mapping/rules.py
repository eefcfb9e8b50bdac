"""Chooses a value by the rules of a preset: the first whose condition a line meets."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from typing import Any

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.ingest.mapping.preset import Rule
from telemetry.ingest.paths import ValuePath, compile_path

MAX_PATTERN = 256
_MAX_TEXT = 4_096
"""Characters of a text in which a pattern is looked for; nothing longer is a code or a name."""


class Rules:
    """Compiled rules for one field.

    Args:
        rules: The rules, in their order.
        allowed: Values that the field can have.
        option: Where they were written, for the error.

    Raises:
        ConfigurationError: A path, a pattern or a value cannot be used.
    """

    def __init__(self, rules: Iterable[Rule], *, allowed: Iterable[str], option: str) -> None:
        self._rules = tuple((rule, compile_path(rule.path, option=option), _patterns(rule, option)) for rule in rules)
        known = frozenset(allowed)
        for rule, _, _ in self._rules:
            if rule.value not in known:
                raise ConfigurationError(Problem(option, f"value is none of {', '.join(sorted(known))}"))

    def choose(self, document: Any, *, absent: frozenset[str]) -> str | None:
        """Return the value of the first rule that the document meets; None if it meets none."""
        for rule, path, pattern in self._rules:
            if _is_met(path, document, pattern=pattern, absent=absent) != rule.absent:
                return rule.value
        return None


class Globs:
    """Patterns with ``*`` and ``?`` for whole texts.

    Args:
        patterns: The patterns; at least one.
        option: Where they were written, for the error.
        ignore_case: Whether the case of letters does not matter.

    Raises:
        ConfigurationError: A pattern is empty or too long.
    """

    def __init__(self, patterns: Iterable[str], *, option: str, ignore_case: bool = False) -> None:
        listed = list(patterns)
        if not all(0 < len(pattern) <= MAX_PATTERN for pattern in listed):
            raise ConfigurationError(Problem(option, f"a pattern has 1 to {MAX_PATTERN} characters"))
        # A bracket is a character like any other here.
        translated = (fnmatch.translate(pattern.replace("[", "[[]")) for pattern in listed)
        flags = re.IGNORECASE if ignore_case else 0
        self._compiled = [re.compile(expression, flags) for expression in translated]

    def match(self, text: str) -> bool:
        """Return whether a pattern fits the whole text."""
        return len(text) <= _MAX_TEXT and any(pattern.match(text) for pattern in self._compiled)


def _patterns(rule: Rule, option: str) -> Globs | None:
    if rule.absent and rule.matches:
        raise ConfigurationError(Problem(option, "a rule has either matches or absent"))
    return Globs(rule.matches, option=option, ignore_case=True) if rule.matches else None


def _is_met(path: ValuePath, document: Any, *, pattern: Globs | None, absent: frozenset[str]) -> bool:
    value = path.find(document, absent=absent)
    if pattern is None:
        return value is not None
    if isinstance(value, bool):
        return pattern.match("true" if value else "false")
    return isinstance(value, str | int) and pattern.match(str(value))
