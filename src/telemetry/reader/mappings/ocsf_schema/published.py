"""Loads the extract of the published OCSF schema: classes, objects and types, without the words for people.

The extract has the classes of the core schema and the attributes without a profile, and those of the profile ``host``
(actor and device). Source: https://schema.ocsf.io/1.3.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

import msgspec

VERSION = "1.3.0"
OTHER = 99
"""The number that means "none of those that are listed" wherever OCSF lists numbers."""


class Attribute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An attribute of a class or an object.

    Attributes:
        type: Name of its type without ``_t``, such as ``string``; ``object`` if it is one.
        object: Name of the object.
        array: Whether it is a list.
        required: Whether it must be there.
        profile: Name of the profile that adds it, or empty.
        enum: Meaning of each number, if they are listed.
    """

    type: str = "object"
    object: str = ""
    array: bool = False
    required: bool = False
    profile: str = ""
    enum: dict[str, str] = {}


class ObjectType(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object.

    Attributes:
        attributes: Its attributes by name; an object without any may have every attribute.
        at_least_one: Attributes of which one must be there.
        just_one: Attributes of which exactly one must be there.
    """

    attributes: dict[str, Attribute]
    at_least_one: tuple[str, ...] = ()
    just_one: tuple[str, ...] = ()


class EventClass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A class of events.

    Attributes:
        name: Name, such as ``api_activity``.
        caption: Name for people, such as ``API Activity``.
        category: Number and name of its category.
        attributes: Its attributes by name.
        at_least_one: Attributes of which one must be there.
        just_one: Attributes of which exactly one must be there.
    """

    name: str
    caption: str
    category: tuple[int, str]
    attributes: dict[str, Attribute]
    at_least_one: tuple[str, ...] = ()
    just_one: tuple[str, ...] = ()


class _Extract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    base: dict[str, Attribute]
    classes: dict[str, EventClass]
    objects: dict[str, ObjectType]


class Published:
    """The schema.

    Args:
        classes: Classes by their number, with every attribute.
        objects: Objects by name.
    """

    def __init__(self, classes: Mapping[int, EventClass], objects: Mapping[str, ObjectType]) -> None:
        self.classes = classes
        self.objects = objects

    def attributes_along(self, kind: EventClass, path: str) -> Iterator[Attribute]:
        """Yield the attributes that a dotted path leads through.

        Raises:
            KeyError: There is none of that name.
        """
        attributes: Mapping[str, Attribute] = kind.attributes
        for name in path.split("."):
            attribute = attributes[name]
            yield attribute
            attributes = self.objects[attribute.object].attributes if attribute.object else {}

    def leaf(self, kind: EventClass, path: str) -> Attribute:
        """Return the attribute at the end of a dotted path.

        Raises:
            KeyError: There is none of that name.
        """
        return list(self.attributes_along(kind, path))[-1]


@cache
def published() -> Published:
    """Return the schema; it is read when it is first needed."""
    text = files("telemetry.reader.mappings.ocsf_schema").joinpath(f"ocsf-{VERSION}.json").read_bytes()
    found = msgspec.json.decode(text, type=_Extract)
    classes = {
        int(number): msgspec.structs.replace(kind, attributes=found.base | kind.attributes)
        for number, kind in found.classes.items()
    }
    return Published(classes, found.objects)
