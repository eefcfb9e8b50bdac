"""Reads the value of each field of an event by the rule of that field."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import timezone
from typing import Any, get_args

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.ingest.mapping.outcomes import Outcome, OutcomeTable, folded
from telemetry.ingest.mapping.preset import FIELDS, NAMED, RESERVED, ActorType, Preset
from telemetry.ingest.mapping.rules import Rules
from telemetry.ingest.mapping.times import parse_zone, read_moment
from telemetry.ingest.mapping.values import as_key, as_text

_OUTCOMES = frozenset(get_args(Outcome))
_ACTOR_TYPES = frozenset(get_args(ActorType))
_MEMBERS: dict[str, dict[str, Any]] = {
    "actor_type": {name: name for name in _ACTOR_TYPES},
    "sensitive": {"true": True, "false": False},
}
_NOTHING: frozenset[str] = frozenset()


class FieldReaders:
    """Reads fields.

    Args:
        preset: Says what words, numbers and times without a zone mean, and by which rules a field is chosen.

    Attributes:
        ruled: Fields that rules can choose although no path leads to them.

    Raises:
        ConfigurationError: A rule or a zone cannot be used.
    """

    def __init__(self, preset: Preset) -> None:
        self._zone: timezone | None = parse_zone(preset.time_zone, option="time_zone") if preset.time_zone else None
        self._id_scope = preset.id_scope
        self._undecided = frozenset(map(folded, preset.undecided))
        self._words = OutcomeTable(preset.words, codes=preset.codes or "http")
        self._rules = {
            "outcome": Rules(preset.outcome, allowed=_OUTCOMES, option="outcome"),
            "actor_type": Rules(preset.actor_type, allowed=_ACTOR_TYPES, option="actor_type"),
        }
        self.ruled = frozenset(name for name in self._rules if getattr(preset, name))

    def is_undecided(self, value: Any) -> bool:
        """Return whether a value is a word that says that there is no outcome yet."""
        return isinstance(value, str) and folded(value) in self._undecided

    def read(self, name: str, value: Any, *, line: Any = None, absent: frozenset[str] = _NOTHING) -> Any:
        """Return what the field becomes; None if the value does not fit it.

        Args:
            name: One of ``TEXT_FIELDS`` and ``READ_FIELDS``.
            value: Value that its path led to, or None.
            line: The line, for rules; None where there is none.
            absent: Texts that mean that there is no value.
        """
        if line is not None and name in self.ruled and (chosen := self._rules[name].choose(line, absent=absent)):
            return chosen
        if name == "outcome":
            return self._words.read(value)
        if name == "occurred_at":
            return read_moment(value, zone=self._zone)
        if name == "idempotency_key":
            return as_key(value, scope=self._id_scope)
        return _member(name, value) if name in _MEMBERS else as_text(value)


def _member(name: str, value: Any) -> Any:
    """Return the member of a small set that a word names, in any case of letters."""
    if isinstance(value, bool):
        return value if name == "sensitive" else None
    return _MEMBERS[name].get(value.casefold()) if isinstance(value, str) else None


def _is_json(value: Any) -> bool:
    """Return whether JSON has a value that TOML has."""
    if isinstance(value, dict):
        return all(map(_is_json, value.values()))
    if isinstance(value, list):
        return all(map(_is_json, value))
    return math.isfinite(value) if isinstance(value, float) else isinstance(value, (str, int))


@dataclass(frozen=True)
class Constants:
    """What every event of a run has: fields, and metadata."""

    fields: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def constants_of(preset: Preset, readers: FieldReaders) -> Constants:
    """Return the constants of a preset.

    Raises:
        ConfigurationError: A value does not fit its field.
    """
    fields, metadata = {}, {}
    for name, value in preset.set.items():
        if name not in FIELDS:
            if name in RESERVED:
                raise ConfigurationError(Problem("set", f"{name} is an argument of log()", "choose another name"))
            if not _is_json(value):
                reason = f"{name} is no JSON value: a date or time, nan or inf"
                raise ConfigurationError(Problem("set", reason, "write it as a text in quotes"))
            metadata[name] = value
            continue
        read = None if name in NAMED else readers.read(name, value)
        if read is None:
            remedy = "event type, user and payload have options of their own" if name in NAMED else ""
            raise ConfigurationError(Problem("set", f"{name} cannot be set to this value", remedy))
        fields[name] = read
    return Constants(fields, metadata)
