"""Writes rows into a Parquet file in bounded groups, to a stream that need not be seekable."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, BinaryIO

from telemetry.reader.mappings.arrow.library import ParquetWriter, pa

ROWS = 10_000
"""Maximum number of rows in a row group."""
TEXT_BYTES = 16 << 20
"""Approximate maximum text of a row group, in characters; bounds the memory where events are large."""


class RowGroups:
    """A file whose rows are collected until they fill a row group; compressed with Zstandard.

    Args:
        target: The stream to write to.
        schema: Columns, and what the file's own metadata say.

    Attributes:
        size: Approximate text of the rows that are collected, in characters.
    """

    def __init__(self, target: BinaryIO, schema: pa.Schema) -> None:
        self._schema = schema
        self._target = _Counted(target)
        self._writer = ParquetWriter(self._target, schema, compression="zstd")
        self._rows: list[Mapping[str, Any]] = []
        self.size = 0

    @property
    def written(self) -> int:
        """Bytes that were written so far."""
        return self._target.tell()

    def add(self, row: Mapping[str, Any], size: int) -> None:
        """Add a row.

        Args:
            row: Values by the names of the columns.
            size: Approximate characters of text in it: text dominates the size of an event.
        """
        self._rows.append(row)
        self.size += size
        if len(self._rows) >= ROWS or self.size >= TEXT_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the rows that were collected as a row group."""
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows, self.size = [], 0

    def close(self) -> None:
        """Write the last row group and the file's end."""
        self.flush()
        self._writer.close()

    def discard(self) -> None:
        """Write nothing more; pyarrow would write the end of the file when its writer is garbage-collected."""
        self._target.discarded = True
        self._rows = []
        self._writer.close()


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
