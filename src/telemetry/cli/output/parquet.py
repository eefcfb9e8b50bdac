"""Writes events as Parquet; needs the extra ``parquet``."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, BinaryIO

import msgspec

from telemetry.exceptions import MissingExtraError
from telemetry.reader import OpenedEvent
from telemetry.reader.mappings import Schema, row_of
from telemetry.version import __version__

try:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter
except ImportError as exc:
    feature = "writing Parquet"
    raise MissingExtraError(feature, "parquet") from exc

_encode = msgspec.json.Encoder().encode

ROWS = 10_000
"""Maximum number of rows in a row group."""
TEXT_BYTES = 16 << 20
"""Approximate maximum text of a row group, in characters; bounds the memory where events are large."""

_TYPES = {
    "text": pa.string(),
    "json": pa.string(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
    "any": pa.string(),
}


class ParquetEventWriter:
    """A table of fixed, typed columns; a nested value is JSON text in its cell.

    Rows are collected until they fill a row group. The file's own metadata name the schema and the library.

    Args:
        target: The stream to write to; it need not be seekable.
        schema: Schema of the rows.
    """

    def __init__(self, target: BinaryIO, schema: Schema) -> None:
        self._schema = schema
        self._arrow = pa.schema(
            [pa.field(column.name, _TYPES[column.kind]) for column in schema.columns],
            metadata={"schema": f"{schema.name} {schema.version}", "writer": f"telemetry-audit {__version__}"},
        )
        self._target = _Counted(target)
        self._writer = ParquetWriter(self._target, self._arrow, compression="zstd")
        self._rows: list[list[Any]] = []
        self._size = 0

    def write(self, opened: OpenedEvent) -> None:
        """Write an event; see :class:`telemetry.cli.output.writers.EventWriter`."""
        cells = row_of(self._schema.record(opened), self._schema.columns)
        row = [
            _text(cell) if kind == "any" else cell for cell, (_, kind) in zip(cells, self._schema.columns, strict=True)
        ]
        self._rows.append(row)
        # Approximate: text dominates the size of an event.
        self._size += sum(len(cell) for cell in row if isinstance(cell, str))
        if len(self._rows) >= ROWS or self._size >= TEXT_BYTES:
            self._flush()

    def close(self) -> None:
        """Write the last row group and the file's end."""
        self._flush()
        self._writer.close()

    def remarks(self) -> Iterable[str]:
        """Return nothing: the format bounds no cell."""
        return ()

    def discard(self) -> None:
        """Write nothing more; pyarrow would write the end of the file when its writer is garbage-collected."""
        self._target.discarded = True
        self._rows = []
        self._writer.close()

    def _flush(self) -> None:
        if not self._rows:
            return
        # Parquet stores columns, events come as rows.
        columns = [
            pa.array(cells, field.type) for cells, field in zip(zip(*self._rows, strict=True), self._arrow, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._arrow))
        self._rows, self._size = [], 0


def _text(cell: Any) -> str | None:
    # A column has one type: numbers become texts where a column may have both.
    return cell if cell is None or isinstance(cell, str) else _encode(cell).decode()


class _Counted(io.RawIOBase):
    """A stream that counts what is written to it: Parquet needs the offset of everything, and a pipe has no tell()."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._count = 0
        self.discarded = False

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._count

    def write(self, data: Any) -> int:
        if not self.discarded:
            self._target.write(data)
        self._count += memoryview(data).nbytes
        return memoryview(data).nbytes
