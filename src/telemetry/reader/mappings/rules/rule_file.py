"""Reads files of rules, and refuses what OCSF does not have before an event is read."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import translate
from pathlib import Path
from typing import Any

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.ingest.paths import compile_path
from telemetry.reader.mappings.ocsf_schema import EventClass, fit, published
from telemetry.reader.mappings.rules.rule import Rule, RuleField

MAX_BYTES = 1 << 20
"""Size of a file of rules."""
MAX_RULES = 10_000
MAX_PATTERN = 1_024

_OWN_TABLE, _PRESET = "rule", "ocsf"
_REQUIRED = ("type", "class_uid", "activity_id")
_OPTIONAL = ("entity", "source", "service", "status_id", "severity_id", "fields", "constants")
_OWN = frozenset(
    (
        *("activity_id", "category_name", "category_uid", "class_name", "class_uid", "type_name", "type_uid"),
        *("severity", "severity_id", "status", "status_id", "time", "unmapped"),
        *("metadata.logged_time", "metadata.original_time", "metadata.profiles", "metadata.sequence", "metadata.uid"),
        *("metadata.version", "metadata.product"),
    )
)
"""Attributes that no rule fills: the record's identity, and what has a key of its own."""


def read_rules(path: Path) -> tuple[Rule, ...]:
    """Return the rules of a file.

    Raises:
        ConfigurationError: The file cannot be read, or a rule cannot work.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise ConfigurationError(Problem(str(path), f"cannot be read: {exc.strerror}", "name a readable file")) from exc
    if len(content) > MAX_BYTES:
        raise ConfigurationError(Problem(str(path), f"has more than {MAX_BYTES} bytes", "use several files"))
    try:
        text = content.decode()
    except UnicodeDecodeError as exc:
        raise ConfigurationError(Problem(str(path), "is not UTF-8", "save it as UTF-8")) from exc
    return parse_rules(text, name=str(path))


def parse_rules(text: str, *, name: str) -> tuple[Rule, ...]:
    """Return the rules of a TOML text: its tables ``[[rule]]``, or ``[[ocsf]]`` in a preset of ``telemetry log``.

    Args:
        text: The text.
        name: Name of the file, for errors.

    Raises:
        ConfigurationError: It is not TOML, or a rule cannot work; every problem is named.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise ConfigurationError(Problem(name, f"is not TOML: {exc}", "correct the line")) from exc
    is_preset = _PRESET in document
    return rules_of(_tables(document, name, key=_PRESET if is_preset else _OWN_TABLE), name=name, is_preset=is_preset)


def rules_of(tables: Sequence[Any], *, name: str, is_preset: bool) -> tuple[Rule, ...]:
    """Return the rules of tables that were already read.

    Args:
        tables: The tables, as TOML has them.
        name: Name of the file or preset, for errors.
        is_preset: Whether they are of a preset of ``telemetry log``.

    Raises:
        ConfigurationError: A rule cannot work; every problem is named.
    """
    parsed = [_parsed(table, f"{name}: {at}. rule", is_preset=is_preset) for at, table in enumerate(tables, 1)]
    problems = [problem for each in parsed if isinstance(each, ConfigurationError) for problem in each.problems]
    if problems:
        raise ConfigurationError(*problems)
    return tuple(each for each in parsed if isinstance(each, Rule))


def _tables(document: Mapping[str, Any], name: str, *, key: str) -> list[Any]:
    found = document.get(key)
    if not isinstance(found, list) or not found:
        raise ConfigurationError(Problem(name, "has no rules", "write a table [[rule]] for each"))
    # A preset has further tables that are none of ours; in a file of rules they are mistakes.
    if key == _OWN_TABLE and (others := sorted(set(document) - {key})):
        raise ConfigurationError(Problem(name, f"has an unknown table {others[0][:64]!r}", "write [[rule]]"))
    if len(found) > MAX_RULES:
        raise ConfigurationError(Problem(name, f"has more than {MAX_RULES} rules", "use patterns"))
    return found


def _parsed(table: Any, where: str, *, is_preset: bool) -> Rule | ConfigurationError:
    try:
        return _rule(table, where, is_preset=is_preset)
    except ConfigurationError as exc:
        return exc


def _rule(table: Any, where: str, *, is_preset: bool) -> Rule:
    _require_keys(table, where)
    kind = published().classes.get(table["class_uid"]) if isinstance(table["class_uid"], int) else None
    if kind is None:
        raise _refused(where, f"OCSF has no class {table['class_uid']!r}", "see https://schema.ocsf.io/1.3.0/classes")
    patterns = {key: _pattern(table[key], f"{where}, {key}") for key in ("entity", "source", "service") if key in table}
    numbers = {
        key: _listed(table[key], key, kind, where)
        for key in ("activity_id", "status_id", "severity_id")
        if key in table
    }
    return Rule(
        types=_pattern(table["type"], f"{where}, type"),
        entity=patterns.get("entity"),
        source=patterns.get("source"),
        service=patterns.get("service"),
        class_uid=table["class_uid"],
        activity_id=numbers["activity_id"],
        status_id=numbers.get("status_id"),
        severity_id=numbers.get("severity_id"),
        fields=tuple(_fields(table, kind, where)),
        is_of_preset=is_preset,
    )


def _require_keys(table: Any, where: str) -> None:
    if not isinstance(table, dict):
        raise _refused(where, "is not a table", "write [[rule]]")
    missing = [key for key in _REQUIRED if key not in table]
    if missing:
        raise _refused(where, f"lacks {', '.join(missing)}", f"each rule has {', '.join(_REQUIRED)}")
    unknown = sorted(set(table) - {*_REQUIRED, *_OPTIONAL})
    if unknown:
        raise _refused(
            where, f"has an unknown key {unknown[0][:64]!r}", f"the keys are {', '.join(_REQUIRED + _OPTIONAL)}"
        )


def _pattern(value: Any, where: str) -> re.Pattern[str]:
    patterns = value if isinstance(value, list) else [value]
    if not patterns or not all(isinstance(each, str) and 0 < len(each) <= MAX_PATTERN for each in patterns):
        raise _refused(where, f"is not a text of 1 to {MAX_PATTERN} characters, or a list of them", "write 'user.*'")
    # A bracket is a character like any other: types such as "Set policy [beta]" exist.
    return re.compile("|".join(translate(each.replace("[", "[[]")) for each in patterns))


def _listed(number: Any, key: str, kind: EventClass, where: str) -> int:
    meanings = kind.attributes[key].enum
    if isinstance(number, bool) or not isinstance(number, int) or str(number) not in meanings:
        known = ", ".join(f"{one} {meanings[one]}" for one in sorted(meanings, key=int))
        raise _refused(where, f"{kind.caption} has no {key} {number!r}", f"use one of: {known}")
    return number


def _fields(table: Mapping[str, Any], kind: EventClass, where: str) -> Iterator[RuleField]:
    for key in ("fields", "constants"):
        entries = table.get(key, {})
        place = f"{where}, {key}"
        if not isinstance(entries, dict):
            raise _refused(place, "is not a table", "write [rule.fields] or [rule.constants]")
        for target, value in entries.items():
            yield _field(target, value, kind, f"{place}.{target[:64]!r}", is_constant=key == "constants")


def _field(target: str, value: Any, kind: EventClass, where: str, *, is_constant: bool) -> RuleField:
    parts = target.split(".")
    if _OWN.intersection(".".join(parts[:length]) for length in range(1, len(parts) + 1)):
        raise _refused(where, "is filled from the event itself", "leave it out, or use status_id and severity_id")
    try:
        *parents, attribute = published().attributes_along(kind, target)
    except KeyError as exc:
        raise _refused(where, f"{kind.caption} has no such attribute", "see https://schema.ocsf.io/1.3.0") from exc
    if attribute.object:
        raise _refused(where, "is an object", "name one of its attributes")
    if is_constant:
        fitting = fit(value, attribute)
        if fitting is None:
            raise _refused(where, f"the value is no {attribute.type}, or none that is listed", "correct the value")
        return RuleField(target, attribute, tuple(parents), constant=fitting)
    if not isinstance(value, str):
        raise _refused(where, "is not a path", "write payload.client.ip, or use [rule.constants]")
    return RuleField(target, attribute, tuple(parents), source=compile_path(value, option=where))


def _refused(where: str, reason: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(Problem(where, reason, remedy))
