"""Writes data files: sorted rows become Parquet in memory, and each file is created in the store by one request."""

from __future__ import annotations

import hashlib
import io
from datetime import date
from typing import Any

import pyarrow as pa
import uuid_utils

from telemetry.archive.files.data_file import DATA_PREFIX
from telemetry.archive.files.parquet_form import GROUP_BYTES, GROUP_ROWS, writer_of
from telemetry.archive.rows.columns import SCHEMA
from telemetry.archive.rows.tables import days_of
from telemetry.format.archive.seal import SealedFile
from telemetry.storage import StorageProvider

MAX_FILE_BYTES = 200 << 20
"""Bytes at which a file ends; it may become larger by one row group, whose largest is below what a store takes."""


def write_data_files(store: StorageProvider, table: pa.Table, *, max_bytes: int = MAX_FILE_BYTES) -> list[SealedFile]:
    """Write the rows of a sorted table, in one or more files for each day.

    Args:
        store: The archive's store.
        table: Rows in the order of ``table_of``, with the columns of ``SCHEMA``.
        max_bytes: Size at which a file ends, up to ``MAX_FILE_BYTES``.

    Raises:
        StorageError: The store refused, is full or did not answer. Files that it has by then are in no seal, so no
            reader sees them, and clean-up removes them.
    """
    files: list[SealedFile] = []
    series = str(uuid_utils.uuid7())
    for day, rows in days_of(table):
        writer = DataFileWriter(store, day=day, max_bytes=max_bytes, rows=len(rows), series=series, first=len(files))
        writer.write(rows)
        files += writer.close()
    return files


class DataFileWriter:
    """Writes the files of one day from tables that come one after the other, sorted; holds at most one file in memory.

    Args:
        store: The archive's store.
        day: Day of all rows.
        max_bytes: Size at which a file ends.
        rows: Number of rows, roughly, if it is known: it decides the size of the filters.
        series: UUIDv7 in the names of the files.
        first: Number of the first file in the series.
    """

    def __init__(
        self,
        store: StorageProvider,
        *,
        day: date,
        max_bytes: int = MAX_FILE_BYTES,
        rows: int = GROUP_ROWS,
        series: str | None = None,
        first: int = 0,
    ) -> None:
        self._store = store
        self._day = day
        self._max_bytes = min(max_bytes, MAX_FILE_BYTES)
        self._rows = rows
        self._series = series or str(uuid_utils.uuid7())
        self._first = first
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._open: _OpenFile | None = None
        self._files: list[SealedFile] = []

    def write(self, table: pa.Table) -> None:
        """Take rows that follow those before; files that are full are created in the store."""
        self._waiting.append(table.select(SCHEMA.names).cast(SCHEMA))
        self._waiting_rows += len(table)
        if self._waiting_rows >= GROUP_ROWS:
            self._flush(is_last=False)

    def close(self) -> list[SealedFile]:
        """Create the last file; return all of them, as seals name them."""
        self._flush(is_last=True)
        if self._open is not None:
            self._create(self._open)
        return self._files

    def abandon(self) -> None:
        """Forget what is not in the store yet. What is in it belongs to no seal."""
        self._waiting.clear()
        self._waiting_rows = 0
        self._open = None

    def _flush(self, *, is_last: bool) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        whole = len(table) if is_last else len(table) - len(table) % GROUP_ROWS
        for start in range(0, whole, GROUP_ROWS):
            self._write_group(table.slice(start, min(GROUP_ROWS, whole - start)))
        rest = table.slice(whole)
        self._waiting, self._waiting_rows = [rest] if len(rest) else [], len(rest)

    def _write_group(self, group: pa.Table) -> None:
        # A few large values can be more than a row group, or a file, should have.
        if group.nbytes > GROUP_BYTES and len(group) > 1:
            half = len(group) // 2
            self._write_group(group.slice(0, half))
            self._write_group(group.slice(half))
            return
        if self._open is not None and self._open.size + group.nbytes > self._max_bytes:
            self._create(self._open)
        if self._open is None:
            self._open = _OpenFile(rows=self._rows)
        self._open.write(group)

    def _create(self, file: _OpenFile) -> None:
        self._open = None
        data = file.close()
        day = self._day.isoformat()
        name = f"{DATA_PREFIX}day={day}/{self._series}-{self._first + len(self._files)}.parquet"
        self._store.put(name, data)
        digest = hashlib.sha256(data).hexdigest()
        self._files.append(SealedFile(name=name, sha256=digest, size=len(data), rows=file.rows, day=day))


class _OpenFile:
    """A file that is written in memory."""

    def __init__(self, *, rows: int) -> None:
        self._bytes = io.BytesIO()
        self._writer: Any = writer_of(self._bytes, rows=rows)
        self.rows = 0

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._bytes.tell()

    def write(self, group: pa.Table) -> None:
        """Write a row group."""
        self._writer.write_table(group, row_group_size=max(1, len(group)))
        self.rows += len(group)

    def close(self) -> bytes:
        """Return the whole file."""
        self._writer.close()
        return self._bytes.getvalue()
