"""Writes rules that fill whatever a class of OCSF requires, as text of a file of rules."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from telemetry.reader.mappings.ocsf import layout
from telemetry.reader.mappings.ocsf_schema import Attribute, published

_VALUES: dict[str, Any] = {
    "boolean": True,
    "email": "a@b.example",
    "file_hash": "ab12",
    "float": 1.5,
    "integer": 1,
    "ip": "10.0.0.1",
    "json": "a",
    "long": 1,
    "mac": "00:1B:44:11:3A:B7",
    "port": 443,
    "timestamp": 1_769_860_800_000,
    "uuid": "0198c0de-1111-7222-8333-444455556666",
}


def rules_of_class(class_uid: int) -> Iterator[str]:
    """Yield a rule for each activity of a class, with a constant for whatever an event does not have by itself."""
    kind = published().classes[class_uid]
    own = {path.partition(".")[0] for path in layout.paths_of(class_uid, ())}
    wanted = [name for name, each in kind.attributes.items() if each.required and name not in own]
    wanted += [_first(choices, kind.attributes) for choices in (kind.at_least_one, kind.just_one) if choices]
    constants = dict(pair for name in wanted for pair in _constants(name, kind.attributes))
    if class_uid == 3006:
        constants["privileges"] = "read"
    text = "".join(f"{json.dumps(path)} = {json.dumps(value)}\n" for path, value in sorted(constants.items()))
    for activity in kind.attributes["activity_id"].enum:
        yield f'[[rule]]\ntype = "*"\nclass_uid = {class_uid}\nactivity_id = {activity}\n[rule.constants]\n{text}'


def _constants(path: str, attributes: Mapping[str, Attribute], prefix: str = "") -> Iterator[tuple[str, Any]]:
    name, _, rest = path.partition(".")
    attribute = attributes[name]
    if not attribute.object:
        listed = [int(number) for number in attribute.enum]
        yield prefix + name, listed[0] if listed else _VALUES.get(attribute.type, "a")
        return
    kind = published().objects[attribute.object]
    wanted = [each for each, value in kind.attributes.items() if value.required]
    wanted += [_first(choices, kind.attributes) for choices in (kind.at_least_one, kind.just_one) if choices]
    wanted += [rest] if rest else []
    for each in wanted or ["uid"]:
        yield from _constants(each, kind.attributes, f"{prefix}{name}.")


def _first(choices: tuple[str, ...], attributes: Mapping[str, Attribute]) -> str:
    return next(path for path in choices if path.partition(".")[0] in attributes)
