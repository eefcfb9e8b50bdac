"""Reads data files: only the row groups and columns that are asked for, never more than a file may have."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet as pq

from telemetry.archive.files.parquet_form import MAX_FOOTER_BYTES, guarded, open_parquet, refused, require_sound
from telemetry.archive.files.store_file import StoreFile
from telemetry.archive.rows.columns import SCHEMA
from telemetry.storage import StorageProvider

DATA_PREFIX = "events/data/"
BATCH_ROWS = 4_096

_TAIL_BYTES = 8
_MAGIC = b"PAR1"


def open_data_file(store: StorageProvider, name: str, *, size: int | None = None) -> DataFile:
    """Open a data file in a store.

    Args:
        store: The archive's store.
        name: Name of the file.
        size: Its size, as its seal has it; one request fewer.

    Raises:
        StorageError: It is absent, or the store did not answer.
        ArchiveFileError: It is not a data file of an archive.
    """
    return DataFile(StoreFile(store, name, size=size), name=name)


class DataFile:
    """A data file that is open.

    Args:
        source: Its bytes: any binary file that can seek. It is closed with this.
        name: Its name, for errors.

    Attributes:
        name: Its name.
    """

    def __init__(self, source: StoreFile | BinaryIO, *, name: str) -> None:
        self.name = name
        self._source = source
        self._require_footer()
        self._parquet: pq.ParquetFile = self._read(lambda: open_parquet(pa.PythonFile(source, mode="r"), name=name))

    @property
    def metadata(self) -> pq.FileMetaData:
        """The footer; nothing proves it but the file's digest."""
        return self._parquet.metadata

    @property
    def rows(self) -> int:
        """Rows, as the footer has it; a read that finds others fails."""
        return int(self.metadata.num_rows)

    @property
    def groups(self) -> int:
        """Row groups."""
        return int(self.metadata.num_row_groups)

    def columns_of(self, wanted: Sequence[str] | None) -> list[str]:
        """Return those of the columns that the file has."""
        present = set(self._parquet.schema_arrow.names)
        return [name for name in (SCHEMA.names if wanted is None else wanted) if name in present]

    def range_of(self, group: int, column: str) -> tuple[Any, Any] | None:
        """Return the smallest and the largest value of a column in a row group; None if the footer does not say."""
        return self._read(lambda: self._range_of(group, column))  # type: ignore[no-any-return]

    def read_group(self, group: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows of a row group, with the columns in the order in which they were asked for.

        A column that the file lacks is null.

        Raises:
            StorageError: The store did not answer, or the file has disappeared.
            ArchiveFileError: The row group cannot be read, or is not what the footer says.
        """
        present = self.columns_of(columns)
        table: pa.Table = self._read(lambda: self._parquet.read_row_group(group, columns=present, use_threads=False))
        if len(table) != self.metadata.row_group(group).num_rows:
            raise refused(self.name, f"its row group {group} has other rows than its footer says")
        return self._read(lambda: _completed(require_sound(table, name=self.name), columns))

    def batches(
        self, columns: Sequence[str] | None = None, *, groups: Sequence[int] | None = None, rows: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of row groups in their order, a few thousand at a time; raises as :meth:`read_group` does.

        Args:
            columns: Names of columns; all by default.
            groups: Numbers of row groups; all by default.
            rows: Most rows of a batch.
        """
        numbers = range(self.groups) if groups is None else groups
        for number in numbers:
            yield from self.read_group(number, columns).to_batches(max_chunksize=rows)

    def close(self) -> None:
        """Release the file."""
        self._parquet.close()
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _require_footer(self) -> None:
        # Arrow would allocate what the last bytes claim.
        size = self._source.seek(0, io.SEEK_END)
        self._source.seek(max(0, size - _TAIL_BYTES))
        tail = self._source.read(_TAIL_BYTES)
        self._source.seek(0)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != _MAGIC or length > min(MAX_FOOTER_BYTES, size - _TAIL_BYTES):
            raise refused(self.name, "it does not end as a Parquet file does, or its footer is too large")

    def _range_of(self, group: int, column: str) -> tuple[Any, Any] | None:
        chunks = self.metadata.row_group(group)
        for number in range(chunks.num_columns):
            chunk = chunks.column(number)
            if chunk.path_in_schema == column:
                known = chunk.statistics if chunk.is_stats_set else None
                return (known.min, known.max) if known is not None and known.has_min_max else None
        return None

    def _read(self, read: Any) -> Any:
        source = self._source
        if isinstance(source, StoreFile):
            source.error = None
        try:
            return guarded(read, name=self.name)
        except Exception:
            # The store's own error says more than Arrow's, which hides it.
            if isinstance(source, StoreFile) and source.error is not None:
                raise source.error from None
            raise


def _completed(table: pa.Table, columns: Sequence[str] | None) -> pa.Table:
    """Return a table with all columns that were asked for, each in its type in memory."""
    names = SCHEMA.names if columns is None else columns
    schema = pa.schema([SCHEMA.field(name) for name in names])
    present = set(table.column_names)
    arrays = [
        table.column(field.name).cast(field.type) if field.name in present else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
