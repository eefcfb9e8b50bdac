"""Turns a foreign log line into the arguments of ``log()``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from telemetry.exceptions import ConfigurationError, EventError, Problem
from telemetry.ingest.mapping.fields import FieldReaders, constants_of
from telemetry.ingest.mapping.preset import FIELDS, NAMED, RESERVED, Preset, patterns_of
from telemetry.ingest.mapping.rules import Globs
from telemetry.ingest.mapping.tally import MappingTally
from telemetry.ingest.mapping.things import Changes, Targets
from telemetry.ingest.mapping.values import Joined, as_text, is_plain, kept
from telemetry.ingest.mapping.variants import Variants
from telemetry.ingest.paths import compile_path

PLAIN = Preset(fields={"event_type": "event_type", "user_id": "user_id"})
"""The fields of a line that is not mapped: those that ``log()`` itself has."""

MAX_EVENT_TYPE = 255
_ITEMS = re.compile(r'[^.,\[\]/"\s]+(\.[^.,\[\]/"\s]+)*')
ANONYMOUS = "anonymous"
"""The user id that says that nobody was signed in."""

_RESERVED = "telemetry."
_ADJUSTED = re.compile(r"~[A-Za-z0-9_-]{22}\Z")
"""End of a text that was adjusted; ``log()`` refuses an event type that looks like one."""


class MappedEvent(NamedTuple):
    """Arguments of ``log()``.

    Attributes:
        event_type: What happened.
        payload: Any JSON value.
        user_id: User whose event it is.
        fields: The other arguments, by name; ``metadata`` among them is an object.
    """

    event_type: str
    payload: Any
    user_id: str
    fields: dict[str, Any]


@dataclass
class _Found:
    """What is known about an event while its line is read.

    Attributes:
        fields: Fields of the event.
        metadata: Its metadata.
        seen: Names that were found in the line.
        unfit: Names whose value did not fit.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    unfit: set[str] = field(default_factory=set)


class LineMapping:
    """Says which parts of a line become which parts of an event; one thread uses it.

    A value that is missing or does not fit an optional field never costs the event: it is left out, kept as metadata
    ``NAME_text``, and counted.

    Args:
        preset: What the lines look like.

    Attributes:
        items: Names, separated by dots, that lead to the list of events in a file that is one document, or None.
        tally: What was found so far.

    Raises:
        ConfigurationError: The preset cannot be used.
    """

    def __init__(self, preset: Preset) -> None:
        _require_known(preset)
        self.items = preset.items
        self._absent = frozenset(("", *preset.absent))
        self._named = {name: Joined(preset.fields[name], option=name) for name in ("event_type", "user_id")}
        payload = preset.fields.get("payload")
        self._payload = compile_path(payload, option="payload") if isinstance(payload, str) else None
        self._default = preset.default
        self._readers = FieldReaders(preset)
        self._paths: dict[str, Joined | None] = dict.fromkeys(self._readers.ruled)
        self._paths |= {name: Joined(paths, option=name) for name, paths in preset.fields.items() if name not in NAMED}
        self._variants = Variants(preset.variant)
        self._metadata = {name: Joined(paths, option=name) for name, paths in preset.metadata.items()}
        self._things = Targets(preset.targets, absent=self._absent), Changes(preset.changes)
        self._constants = constants_of(preset, self._readers)
        types = [pattern for rule in preset.ocsf for pattern in patterns_of(rule.type)]
        known = Globs(types, option="ocsf") if types else None
        self.tally = MappingTally((*_expected(preset), *_optional(preset), *_things_of(preset)), known=known)

    def event(self, line: Any) -> MappedEvent:
        """Return the arguments of ``log()`` for one line.

        Args:
            line: The line as a JSON value.

        Raises:
            EventError: It is not an object, or has no event type or no user.
        """
        if not isinstance(line, dict):
            message = "is not a JSON object"
            raise EventError(message)
        found = _Found()
        event_type = self._event_type(line, found)
        elsewhere = self._variants.of(event_type)
        user_id = self._user_id(line, found, elsewhere.get("user_id", self._named["user_id"]))
        for name, paths in ({**self._paths, **elsewhere} if elsewhere else self._paths).items():
            if name in NAMED:
                continue
            value = paths.find(line, absent=self._absent) if paths else None
            read = self._readers.read(name, value, line=line, absent=self._absent)
            if read is not None:
                found.fields[name] = read
            elif name == "outcome" and self._readers.is_undecided(value):
                found.metadata["outcome_text"] = value
            else:
                _keep(name, value, found)
        self._add_things(line, found)
        for name, paths in self._metadata.items():
            if (value := paths.find(line, absent=self._absent)) is not None:
                found.metadata[name] = value
        if found.fields.get("actor_id") == user_id:
            # It says who acted if that was not the user.
            del found.fields["actor_id"]
            found.seen.add("actor_id")
        found.seen |= found.fields.keys() | found.metadata.keys()
        self.tally.add(event_type, seen=found.seen, unfit=found.unfit)
        payload = self._payload.find(line) if self._payload else line
        return MappedEvent(event_type, payload, user_id, self._with_constants(found))

    def _event_type(self, line: dict[str, Any], found: _Found) -> str:
        value = self._named["event_type"].find(line, absent=self._absent)
        text = as_text(value)
        if text is not None and _is_event_type(text):
            found.seen.add("event_type")
            return text
        _keep("event_type", value, found)
        if (default := self._default.get("event_type")) is None:
            reason = "has no event type" if value is None else "has an event type that cannot be one"
            message = f"{reason}; name its field with --event-type-field, or give --event-type"
            raise EventError(message)
        return default

    def _user_id(self, line: dict[str, Any], found: _Found, paths: Joined) -> str:
        value = paths.find(line, absent=self._absent)
        if (text := as_text(value)) is not None:
            found.seen.add("user_id")
            return text
        _keep("user_id", value, found)
        if (default := self._default.get("user_id")) is None:
            message = "has no user; name its field with --user-id-field, or give --user-id"
            raise EventError(message)
        if default == ANONYMOUS:
            found.fields["actor_type"] = ANONYMOUS
        return default

    def _add_things(self, line: dict[str, Any], found: _Found) -> None:
        targets, changes = self._things
        things = targets.find(line)
        if things and "entity" not in found.fields:
            found.fields |= things[0]
        if things:
            found.seen.add("targets")
        if len(things) > 1:
            found.fields["targets"] = things
        if changed := changes.find(line):
            found.fields["changes"] = changed

    def _with_constants(self, found: _Found) -> dict[str, Any]:
        fields = found.fields | self._constants.fields
        if metadata := found.metadata | self._constants.metadata:
            fields["metadata"] = metadata
        return fields


def _keep(name: str, value: Any, found: _Found) -> None:
    """Keep a value that does not fit its field as metadata."""
    if value is not None and value not in ({}, []):
        found.metadata[f"{name}_text"] = kept(value)
        found.unfit.add(name)


def _is_event_type(text: str) -> bool:
    is_short = len(text) <= MAX_EVENT_TYPE and is_plain(text)
    return is_short and not text.lower().startswith(_RESERVED) and _ADJUSTED.search(text) is None


def _expected(preset: Preset) -> list[str]:
    """Return what of event type and user is looked for, and not just given."""
    names = ("event_type", "user_id")
    return [name for name in names if name not in preset.default or preset.fields[name] != PLAIN.fields[name]]


def _optional(preset: Preset) -> list[str]:
    """Return the other fields that the preset looks for, and the metadata."""
    variants = [name for variant in preset.variant for name in variant.fields]
    ruled = [name for name in ("outcome", "actor_type") if getattr(preset, name)]
    return [name for name in (*ruled, *preset.fields, *variants, *preset.metadata) if name not in NAMED]


def _things_of(preset: Preset) -> list[str]:
    return [name for name in ("targets", "changes") if getattr(preset, name)]


def _require_known(preset: Preset) -> None:
    problems = [
        Problem(
            "fields",
            f"{name!r} is no field of an event",
            f"fields are {', '.join(sorted(FIELDS))}; others are metadata",
        )
        for name in {*preset.fields, *(name for variant in preset.variant for name in variant.fields)} - FIELDS
    ]
    problems += [
        Problem("metadata", f"{name!r} is an argument of log()", "write a field under fields, or choose another name")
        for name in preset.metadata.keys() & FIELDS.union(RESERVED)
    ]
    problems += [
        Problem("fields", f"there is no path of {name}", f"write {name} = PATH")
        for name in ("event_type", "user_id")
        if name not in preset.fields
    ]
    if preset.items is not None and not _ITEMS.fullmatch(preset.items):
        problems.append(Problem("items", "is no list of names", "write it like Records or data.events"))
    if not isinstance(preset.fields.get("payload", ""), str):
        problems.append(Problem("fields", "payload is one path, not several", "write payload = PATH"))
    if problems:
        raise ConfigurationError(*problems)
