"""Writes OCSF with its objects as structs, so that a query engine reads ``actor.user.uid`` as a column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import msgspec

from telemetry.cli.output.parquet.library import pa
from telemetry.cli.output.parquet.row_groups import RowGroups
from telemetry.cli.output.parquet.table import metadata_of
from telemetry.reader import OpenedEvent
from telemetry.reader.mappings import Schema
from telemetry.reader.mappings.ocsf import OcsfMapping
from telemetry.reader.mappings.ocsf.layout import paths_of
from telemetry.reader.mappings.ocsf_schema import Attribute, published

_NUMBERS = ("integer", "long", "port", "timestamp")
_encode = msgspec.json.Encoder().encode
_Tree = dict[str, Any]


class OcsfParquetWriter:
    """A table of OCSF records of every class that the rules know.

    Args:
        target: The stream to write to; it need not be seekable.
        schema: OCSF with its rules.
        mapping: What converts the events.
    """

    def __init__(self, target: BinaryIO, schema: Schema, mapping: OcsfMapping) -> None:
        self._mapping = mapping
        self._shape = OcsfShape(schema, mapping, mapping.classes)
        self._groups = RowGroups(target, self._shape.arrow)

    def write(self, opened: OpenedEvent) -> None:
        """Write an event; see :class:`telemetry.reader.mappings.writers.EventWriter`."""
        self._groups.add(*self._shape.row(self._mapping(opened)))

    def close(self) -> None:
        """Write the last row group and the file's end."""
        self._groups.close()

    def remarks(self) -> Iterable[str]:
        """Return nothing: the format bounds no cell."""
        return ()

    def discard(self) -> None:
        """Write nothing more."""
        self._groups.discard()


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
