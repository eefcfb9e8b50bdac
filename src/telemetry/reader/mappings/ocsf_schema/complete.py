"""Completes records of OCSF: what is unknown but required is 0 (Unknown), and objects without what they require go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from telemetry.reader.mappings.ocsf_schema.published import Attribute, EventClass, ObjectType, published


class Completed(NamedTuple):
    """A record and what it lacks.

    Attributes:
        record: The record.
        lacking: What the class requires and the record does not have, such as ``group`` or ``privileges or user``.
    """

    record: dict[str, Any]
    lacking: tuple[str, ...]


def complete(record: Mapping[str, Any], kind: EventClass) -> Completed:
    """Return the record as the class wants it, without optional objects that lack something themselves.

    Args:
        record: Attributes of the class, each of its type.
        kind: The class.
    """
    members = _members(record, kind.attributes)
    return Completed(members, tuple(_lacking(members, kind)))


def _members(members: Mapping[str, Any], attributes: Mapping[str, Attribute]) -> dict[str, Any]:
    found = {name: _value(value, attributes[name]) for name, value in members.items()}
    unknown = {
        name: 0
        for name, attribute in attributes.items()
        if attribute.required and "0" in attribute.enum and name not in members
    }
    return {name: value for name, value in (found | unknown).items() if value is not None}


def _value(value: Any, attribute: Attribute) -> Any:
    if not attribute.object:
        return value
    if attribute.array:
        items = [item for each in value if (item := _object(each, attribute.object)) is not None]
        return items or None
    return _object(value, attribute.object)


def _object(members: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    kind = published().objects[name]
    if not kind.attributes:
        return members
    found = _members(members, kind.attributes)
    return found if found and not _lacking(found, kind) else None


def _lacking(members: Mapping[str, Any], kind: EventClass | ObjectType) -> list[str]:
    missing = [name for name, attribute in kind.attributes.items() if attribute.required and name not in members]
    # A constraint may name an attribute inside an object, such as device.os.version.
    if kind.at_least_one and not any(_has(members, path) for path in kind.at_least_one):
        missing.append(" or ".join(kind.at_least_one))
    if kind.just_one and sum(_has(members, path) for path in kind.just_one) != 1:
        missing.append(f"exactly one of {' and '.join(kind.just_one)}")
    return missing


def _has(members: Any, path: str) -> bool:
    for name in path.split("."):
        if not isinstance(members, Mapping) or name not in members:
            return False
        members = members[name]
    return True
