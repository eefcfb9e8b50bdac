"""Completes records of OCSF: what is unknown but required is 0 (Unknown), and objects without what they require go."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
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


class _Needs(NamedTuple):
    """What a class or an object requires."""

    attributes: Mapping[str, Attribute]
    required: tuple[str, ...]
    numbers: tuple[str, ...]
    at_least_one: tuple[str, ...]
    just_one: tuple[str, ...]


def complete(record: Mapping[str, Any], class_uid: int) -> Completed:
    """Return the record as its class wants it, without optional objects that lack something themselves.

    Args:
        record: Attributes of the class, each of its type.
        class_uid: Number of the class.
    """
    needs = _needs_of_class(class_uid)
    members = _members(record, needs)
    return Completed(members, tuple(_lacking(members, needs)))


@cache
def _needs_of_class(class_uid: int) -> _Needs:
    return _needs(published().classes[class_uid])


@cache
def _needs_of_object(name: str) -> _Needs:
    return _needs(published().objects[name])


def _needs(kind: EventClass | ObjectType) -> _Needs:
    required = tuple(name for name, attribute in kind.attributes.items() if attribute.required)
    numbers = tuple(name for name in required if "0" in kind.attributes[name].enum)
    return _Needs(kind.attributes, required, numbers, kind.at_least_one, kind.just_one)


def _members(members: Mapping[str, Any], needs: _Needs) -> dict[str, Any]:
    found = {
        name: whole for name, value in members.items() if (whole := _value(value, needs.attributes[name])) is not None
    }
    for name in needs.numbers:
        found.setdefault(name, 0)
    return found


def _value(value: Any, attribute: Attribute) -> Any:
    if not attribute.object:
        return value
    if attribute.array:
        items = [item for each in value if (item := _object(each, attribute.object)) is not None]
        return items or None
    return _object(value, attribute.object)


def _object(members: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    needs = _needs_of_object(name)
    if not needs.attributes:
        return members
    found = _members(members, needs)
    return found if found and not _lacking(found, needs) else None


def _lacking(members: Mapping[str, Any], needs: _Needs) -> list[str]:
    missing = [name for name in needs.required if name not in members]
    # A constraint may name an attribute inside an object, such as device.os.version.
    if needs.at_least_one and not any(_has(members, path) for path in needs.at_least_one):
        missing.append(" or ".join(needs.at_least_one))
    if needs.just_one and sum(_has(members, path) for path in needs.just_one) != 1:
        missing.append(f"exactly one of {' and '.join(needs.just_one)}")
    return missing


def _has(members: Any, path: str) -> bool:
    for name in path.split("."):
        if not isinstance(members, Mapping) or name not in members:
            return False
        members = members[name]
    return True
