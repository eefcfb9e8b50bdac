"""Finds the rule of an event: the first that matches, the user's before those of the library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from importlib.resources import files

from telemetry.format.value.event import AuditEvent
from telemetry.reader.mappings.rules.rule import Rule
from telemetry.reader.mappings.rules.rule_file import parse_rules

_REMEMBERED = 4_096
_Key = tuple[str, str | None, str | None, str]


class RuleBook:
    """Rules in the order in which they are tried.

    Args:
        rules: The user's rules; those of the library come after them.
    """

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._given = tuple(rules)
        # A trail has few types and many events. What is remembered is bounded: a type can be anyone's text.
        self._found: dict[_Key, Rule | None] = {}

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, those of the library last; its own are read when they are first needed."""
        return (*self._given, *default_rules())

    def find(self, event: AuditEvent) -> Rule | None:
        """Return the first rule that matches, or None."""
        key = (event.event_type, event.entity, event.source, event.service_name)
        if key not in self._found:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[key] = next((rule for rule in self.rules if rule.matches(event)), None)
        return self._found[key]

    def of_class(self, class_uid: int) -> Iterator[Rule]:
        """Yield the rules that make events of a class."""
        return (rule for rule in self.rules if rule.class_uid == class_uid)


@cache
def default_rules() -> tuple[Rule, ...]:
    """Return the rules of the library: types whose name alone says for certain what happened."""
    return parse_rules(
        files("telemetry.reader.mappings.rules").joinpath("defaults.toml").read_text("utf-8"), name="defaults.toml"
    )
