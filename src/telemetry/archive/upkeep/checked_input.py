"""Copies a live file to the disk, checks it with the digest in its seal, and reads its rows in the order of the table."""

from __future__ import annotations

import hashlib
import hmac
import io
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

import pyarrow as pa
import pyarrow.parquet as pq

from telemetry.archive.files.data_file import DataFile
from telemetry.archive.files.parquet_form import guarded
from telemetry.archive.rows.columns import SCHEMA
from telemetry.archive.rows.tables import sorted_table
from telemetry.archive.upkeep.merging import BATCH_ROWS, ORDER_COLUMNS, is_in_order, key_at
from telemetry.exceptions import ArchiveFileError, StorageError, TamperedError
from telemetry.format.archive.seal import SealedFile
from telemetry.storage import StorageProvider
from telemetry.system.file_errors import storage_error

MAX_UNSORTED_BYTES = 1 << 30
"""Largest file, uncompressed, that is sorted in memory; this library writes sorted ones only."""
_READ_BYTES = 64 << 10
"""Of a column of a file: it is needed for each column of each file that is merged at the same time."""


class CheckedInput:
    """A live file of an archive, copied to a file without a name. It is a context manager.

    What is rewritten is signed anew, so every byte of it is checked first.

    Args:
        store: The archive's store.
        file: The file, as its seal names it.

    Raises:
        TamperedError: Its bytes or its rows are not those that were sealed.
        ArchiveFileError: Its rows cannot be read.
        StorageNotFoundError: It is not there any more.
        StorageError: The store refused or did not answer, or the disk is full.
    """

    def __init__(self, store: StorageProvider, file: SealedFile) -> None:
        self.file = file
        self._copy: IO[bytes] = _copied(store, file)
        try:
            self._parquet = _opened(self._copy, file)
            self._is_sorted = self._has_order()
        except BaseException:
            self._copy.close()
            raise

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in the order of the table."""
        if self._is_sorted:
            yield from self._read(None)
            return
        whole = sorted_table(pa.Table.from_batches(self._read(None), SCHEMA))
        yield from whole.to_batches(max_chunksize=BATCH_ROWS)

    def close(self) -> None:
        """Give the disk back."""
        self._copy.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
        present = self._parquet.schema_arrow.names
        wanted = pa.schema([SCHEMA.field(name) for name in SCHEMA.names if columns is None or name in columns])
        batches = self._parquet.iter_batches(
            batch_size=BATCH_ROWS, columns=[name for name in wanted.names if name in present]
        )
        while (batch := guarded(lambda: next(batches, None), name=self.file.name)) is not None:
            yield _of_schema(batch, wanted)

    def _has_order(self) -> bool:
        if _are_in_order(self._read(list(ORDER_COLUMNS))):
            return True
        metadata = self._parquet.metadata
        size = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
        if size > MAX_UNSORTED_BYTES:
            message = (
                f"the rows of {self.file.name} are not in the order of the table, and {size:,} bytes are too many to sort "
                f"in memory; write it in files of at most {MAX_UNSORTED_BYTES:,} bytes"
            )
            raise ArchiveFileError(message)
        return False


def _copied(store: StorageProvider, file: SealedFile) -> IO[bytes]:
    """Return a copy whose bytes are those of the seal."""
    with ExitStack() as stack:
        try:
            copy = stack.enter_context(tempfile.TemporaryFile())
            is_whole = _is_as_sealed(store, file, copy)
            copy.flush()
        except OSError as exc:
            raise _no_disk(exc) from exc
        if not is_whole:
            raise _altered(file, "its bytes are not those that were sealed")
        stack.pop_all()
    return copy


def _is_as_sealed(store: StorageProvider, file: SealedFile, copy: IO[bytes]) -> bool:
    """Copy a file, and return whether it is the one that was sealed.

    1. Not more bytes are written to the disk than were sealed.
    2. The digest is the sealed one.
    """
    digest, size = hashlib.sha256(), 0
    for part in store.stream(file.name):
        size += len(part)
        # 1.
        if size > file.size:
            return False
        digest.update(part)
        copy.write(part)
    # 2.
    return size == file.size and hmac.compare_digest(digest.hexdigest(), file.sha256)


def _opened(copy: IO[bytes], file: SealedFile) -> pq.ParquetFile:
    """Open a copy: its footer is checked first, then its rows are read in parts, however large a row group is."""
    footer = DataFile(cast("io.BytesIO", copy), name=file.name)
    if footer.rows != file.rows:
        raise _altered(file, f"it has {footer.rows:,} rows, and {file.rows:,} were sealed")
    parquet: pq.ParquetFile = guarded(
        lambda: pq.ParquetFile(copy, buffer_size=_READ_BYTES, pre_buffer=False), name=file.name
    )
    return parquet


def _are_in_order(batches: Iterator[pa.RecordBatch]) -> bool:
    last: Any = None
    for batch in batches:
        if not batch.num_rows:
            continue
        if not is_in_order(batch) or (last is not None and key_at(batch, 0) < last):
            return False
        last = key_at(batch, batch.num_rows - 1)
    return True


def _of_schema(batch: pa.RecordBatch, wanted: pa.Schema) -> pa.RecordBatch:
    # Another engine may have written columns in another order, or left some out.
    present = set(batch.schema.names)
    arrays = [
        batch.column(field.name).cast(field.type) if field.name in present else pa.nulls(batch.num_rows, field.type)
        for field in wanted
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=wanted)


def _altered(file: SealedFile, what: str) -> TamperedError:
    message = (
        f"the live file {file.name} is not rewritten: {what}. Restore it from a copy of the archive, and look into it with "
        "`telemetry verify --from archive`"
    )
    return TamperedError(message)


def _no_disk(exc: OSError) -> StorageError:
    return storage_error(exc, doing="writing a copy in", path=Path(tempfile.gettempdir()), place="TMPDIR")
