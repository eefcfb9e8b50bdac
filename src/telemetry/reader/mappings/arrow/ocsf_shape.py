"""Gives OCSF its objects as Arrow structs, so that a query engine reads ``actor.user.uid`` as a column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from telemetry.reader.mappings.arrow.library import pa
from telemetry.reader.mappings.ocsf import OcsfMapping
from telemetry.reader.mappings.ocsf.layout import paths_of
from telemetry.reader.mappings.ocsf_schema import Attribute, published
from telemetry.reader.mappings.table import Schema
from telemetry.version import __version__

_NUMBERS = ("integer", "long", "port", "timestamp")
_encode = msgspec.json.Encoder().encode
_Tree = dict[str, Any]


class OcsfShape:
    """The columns of records of some classes: those that the library and the rules can fill, on every run the same.

    Times are milliseconds since the epoch, as OCSF has them. ``unmapped`` is a map from names to texts, and a value
    that OCSF leaves open is JSON text.

    Args:
        schema: OCSF with its rules.
        mapping: What converts the events.
        classes: Numbers of the classes.

    Attributes:
        arrow: The columns.
    """

    def __init__(self, schema: Schema, mapping: OcsfMapping, classes: Iterable[int]) -> None:
        tree: _Tree = {}
        for class_uid in sorted(classes):
            kind = published().classes[class_uid]
            for path in paths_of(class_uid, mapping.rules):
                _grow(tree, path.split("."), list(published().attributes_along(kind, path)))
        fields = [pa.field(name, _type(*node)) for name, node in sorted(tree.items())]
        unmapped = pa.field("unmapped", pa.map_(pa.string(), pa.string()))
        self.arrow = pa.schema([*fields, unmapped], metadata=metadata_of(schema))
        self._tree = tree

    def row(self, record: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """Return the values of a record by column, and the approximate characters of text in it."""
        unmapped = [(name, _text(value)) for name, value in record["unmapped"].items()]
        row = {name: _value(value, *self._tree[name]) for name, value in record.items() if name != "unmapped"}
        return {**row, "unmapped": unmapped}, len(_encode(record))


def metadata_of(schema: Schema) -> dict[str, str]:
    """Return what a file says about itself: the same on every run."""
    return {"schema": f"{schema.name} {schema.version}", "writer": f"telemetry-audit {__version__}"}


def _grow(tree: _Tree, names: list[str], attributes: list[Attribute]) -> None:
    for name, attribute in zip(names, attributes, strict=True):
        _, tree = tree.setdefault(name, (attribute, {}))


def _type(attribute: Attribute, members: _Tree) -> pa.DataType:
    if attribute.object:
        kind = pa.struct([pa.field(name, _type(*node)) for name, node in sorted(members.items())])
    elif attribute.type in _NUMBERS:
        kind = pa.int64()
    else:
        kind = {"boolean": pa.bool_(), "float": pa.float64()}.get(attribute.type, pa.string())
    return pa.list_(kind) if attribute.array else kind


def _value(value: Any, attribute: Attribute, members: _Tree) -> Any:
    if attribute.object and attribute.array:
        return [_struct(item, members) for item in value]
    if attribute.object:
        return _struct(value, members)
    return _text(value) if attribute.type == "json" else value


def _struct(value: Mapping[str, Any], members: _Tree) -> dict[str, Any]:
    return {name: _value(each, *members[name]) for name, each in value.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _encode(value).decode()
