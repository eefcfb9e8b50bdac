"""Writes events as a table of flat columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO

import msgspec

from telemetry.cli.output.parquet.row_groups import RowGroups
from telemetry.reader import OpenedEvent
from telemetry.reader.mappings import Schema, row_of
from telemetry.reader.mappings.arrow.library import pa
from telemetry.reader.mappings.arrow.ocsf_shape import metadata_of

_TYPES = {
    "text": pa.string(),
    "json": pa.string(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
    "any": pa.string(),
}
_encode = msgspec.json.Encoder().encode


class ParquetEventWriter:
    """A table of fixed, typed columns; a nested value is JSON text in its cell.

    The file's own metadata name the schema and the library.

    Args:
        target: The stream to write to; it need not be seekable.
        schema: Schema of the rows.
    """

    def __init__(self, target: BinaryIO, schema: Schema) -> None:
        self._schema = schema
        columns = pa.schema(
            [pa.field(column.name, _TYPES[column.kind]) for column in schema.columns], metadata=metadata_of(schema)
        )
        self._groups = RowGroups(target, columns)

    def write(self, opened: OpenedEvent) -> None:
        """Write an event; see :class:`telemetry.reader.mappings.writers.EventWriter`."""
        cells = row_of(self._schema.record(opened), self._schema.columns)
        row = {
            name: _text(cell) if kind == "any" else cell
            for cell, (name, kind) in zip(cells, self._schema.columns, strict=True)
        }
        self._groups.add(row, sum(len(cell) for cell in row.values() if isinstance(cell, str)))

    def close(self) -> None:
        """Write the last row group and the file's end."""
        self._groups.close()

    def remarks(self) -> Iterable[str]:
        """Return nothing: the format bounds no cell."""
        return ()

    def discard(self) -> None:
        """Write nothing more."""
        self._groups.discard()


def _text(cell: Any) -> str | None:
    # A column has one type: numbers become texts where a column may have both.
    return cell if cell is None or isinstance(cell, str) else _encode(cell).decode()
