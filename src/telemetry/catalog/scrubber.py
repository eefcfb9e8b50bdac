"""Replaces secrets and payment card numbers in values of JSON, by the names of their keys and by their digits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from telemetry.catalog.card_numbers import MAX_DIGITS, MIN_DIGITS, is_card_number, replace_card_numbers
from telemetry.catalog.secret_names import SecretNames

SCRUBBED = "[scrubbed]"
"""What stands for each part that was replaced."""

MAX_PARTS = 100_000
MAX_DEPTH = 100
"""What is beyond is replaced unseen."""

_LEAST = 10 ** (MIN_DIGITS - 1)
_MOST = 10**MAX_DIGITS


class Scrubbed(NamedTuple):
    """A value after scrubbing.

    Attributes:
        value: The value; the same object where nothing was replaced.
        is_changed: Whether something was.
    """

    value: Any
    is_changed: bool


class Scrubber:
    """Replaces what should not be in an audit trail although nobody declared it.

    A value whose key is the name of a secret (``secret_names.SECRET_NAMES``) is replaced as a whole, unless it is null, true,
    false or empty. In all other texts, whole numbers and keys, payment card numbers are replaced. Nothing else is changed.

    Args:
        keys: Further names of secrets; case and separators do not matter.
        spared: Names that are kept although they look like those of secrets.
    """

    def __init__(self, *, keys: Iterable[str] = (), spared: Iterable[str] = ()) -> None:
        self._names = SecretNames(keys, spared)

    def scrub(self, value: Any) -> Scrubbed:
        """Scrub a value of JSON: objects, lists, texts, numbers, true, false and null; other objects are left unchanged.

        The value itself is not changed. The work is bounded by its size, and by :data:`MAX_PARTS`.
        """
        walk = _Walk(self._names)
        scrubbed = walk.of(value, 0)
        return Scrubbed(scrubbed if walk.is_changed else value, walk.is_changed)

    def scrub_changes(self, changes: dict[str, Any]) -> Scrubbed:
        """Scrub the changes of an event: attributes with ``old`` and ``new``, which stay there."""
        walk = _Walk(self._names)
        scrubbed = {walk.text(name): walk.sides(name, sides) for name, sides in changes.items()}
        return Scrubbed(scrubbed if walk.is_changed else changes, walk.is_changed)

    def scrub_text(self, text: str) -> str:
        """Return a text without payment card numbers."""
        return replace_card_numbers(text, SCRUBBED)


class _Walk:
    """One walk through a value."""

    def __init__(self, names: SecretNames) -> None:
        self._names = names
        self._parts = 0
        self.is_changed = False

    def of(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return value if len(value) < MIN_DIGITS else self.text(value)
        if kind is dict or kind is list or kind is tuple:
            return self._of_container(value, depth)
        if kind is int and _LEAST <= value < _MOST and is_card_number(str(value)):
            return self._replaced()
        return value

    def text(self, text: str) -> str:
        scrubbed = replace_card_numbers(text, SCRUBBED)
        if scrubbed is not text:
            self.is_changed = True
        return scrubbed

    def sides(self, name: str, sides: Any) -> Any:
        if not isinstance(sides, dict):
            return self.of(sides, 1)
        if not self._names.has(name):
            return {side: self.of(value, 2) for side, value in sides.items()}
        return {side: self._hidden(value) for side, value in sides.items()}

    def _of_container(self, value: Any, depth: int) -> Any:
        self._parts += len(value)
        if self._parts > MAX_PARTS or depth >= MAX_DEPTH:
            return self._replaced()
        below = depth + 1
        if type(value) is not dict:
            return [self.of(child, below) for child in value]
        members: dict[str, Any] = {}
        has, of = self._names.has, self.of
        for name, child in value.items():
            if type(name) is not str:
                members[name] = of(child, below)
                continue
            if len(name) >= MIN_DIGITS:
                name = self._free(members, self.text(name))  # noqa: PLW2901 - the name that is written
            members[name] = self._hidden(child) if has(name) else of(child, below)
        return members

    def _hidden(self, value: Any) -> Any:
        # Whether there is a password is no secret; and an empty text has none.
        if value is None or isinstance(value, bool) or value in ("", {}, [], SCRUBBED):
            return value
        return self._replaced()

    def _replaced(self) -> str:
        self.is_changed = True
        return SCRUBBED

    def _free(self, members: dict[str, Any], name: str) -> str:
        number, free = 1, name
        while free in members:
            number += 1
            free = f"{name} ({number})"
        return free
