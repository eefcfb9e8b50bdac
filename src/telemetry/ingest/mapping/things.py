"""Finds in a line what was acted upon and what changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.ingest.mapping.preset import ChangeRule, TargetRule
from telemetry.ingest.mapping.values import as_text
from telemetry.ingest.paths import ValuePath, compile_path

MAX_THINGS = 128
"""Targets of an event, and its changes; a line with more keeps all of them in its payload."""


class Targets:
    """Compiled rules that find the things acted upon.

    Args:
        rules: The rules; what each finds counts.
        absent: Texts that mean that there is no value.

    Raises:
        ConfigurationError: A path cannot be read, or a rule names neither kind nor path of it.
    """

    def __init__(self, rules: Iterable[TargetRule], *, absent: frozenset[str]) -> None:
        self._absent = absent
        self._rules = tuple(
            (_path(rule.each), _path(rule.entity), rule.kind, _path(rule.entity_id))
            for rule in rules
            if _is_whole(rule)
        )

    def find(self, document: Any) -> list[dict[str, str]]:
        """Return ``entity`` and, where it is known, ``entity_id`` of each thing, without copies."""
        found: list[dict[str, str]] = []
        for each, entity, kind, entity_id in self._rules:
            for item in _items(document, each):
                target = self._target(item, entity=entity, kind=kind, entity_id=entity_id)
                if target and target not in found:
                    found.append(target)
                if len(found) == MAX_THINGS:
                    return found
        return found

    def _target(
        self, item: Any, *, entity: ValuePath | None, kind: str | None, entity_id: ValuePath | None
    ) -> dict[str, str] | None:
        found = as_text(entity.find(item, absent=self._absent)) if entity else None
        id_ = as_text(entity_id.find(item, absent=self._absent)) if entity_id else None
        name = found or kind
        # A kind that the preset writes itself says nothing without an id.
        if name is None or (found is None and id_ is None):
            return None
        return {"entity": name} if id_ is None else {"entity": name, "entity_id": id_}


class Changes:
    """Compiled rules that find what changed.

    Args:
        rules: The rules; what each finds counts.

    Raises:
        ConfigurationError: A path cannot be read, or a rule does not say what changed.
    """

    def __init__(self, rules: Iterable[ChangeRule]) -> None:
        self._rules = tuple(
            (_path(rule.each), _path(rule.name), rule.attribute, _path(rule.old), _path(rule.new))
            for rule in rules
            if _is_named(rule)
        )

    def find(self, document: Any) -> dict[str, dict[str, Any]]:
        """Return ``old`` and ``new`` of each attribute by its name; a side that is not there is left out."""
        found: dict[str, dict[str, Any]] = {}
        for each, name, attribute, old, new in self._rules:
            for item in _items(document, each):
                sides = {"old": old and old.find(item), "new": new and new.find(item)}
                known = {side: value for side, value in sides.items() if value is not None}
                named = as_text(name.find(item)) if name else attribute
                # A value alone, under a name that the preset writes itself, may just be the value.
                if named is None or not known or (name is None and "old" not in known):
                    continue
                found[named] = known
                if len(found) == MAX_THINGS:
                    return found
        return found


def _items(document: Any, each: ValuePath | None) -> Iterator[Any]:
    value = document if each is None else each.find(document)
    yield from value if isinstance(value, list) else [value]


def _path(text: str | None) -> ValuePath | None:
    return None if text is None else compile_path(text, option="targets")


def _is_whole(rule: TargetRule) -> bool:
    if rule.entity is None and rule.kind is None:
        raise ConfigurationError(Problem("targets", "a rule has neither entity nor kind", "say what the things are"))
    return True


def _is_named(rule: ChangeRule) -> bool:
    if (rule.name is None) == (rule.attribute is None):
        raise ConfigurationError(
            Problem("changes", "a rule has neither name nor attribute, or both", "say what changed")
        )
    return True
