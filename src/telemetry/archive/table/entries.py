"""Makes the entries by which Iceberg's manifests know data files, with the ranges that engines plan by."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date

from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table import Table
from pyiceberg.typedef import Record

from telemetry.archive.files.data_file import open_data_file
from telemetry.archive.table.locations import Locations
from telemetry.exceptions import ArchiveFileError
from telemetry.format.archive.seal import SealedFile
from telemetry.storage import StorageProvider

_EPOCH = date(1970, 1, 1)
_READERS = 8


def entries_of(store: StorageProvider, table: Table, files: Iterable[SealedFile]) -> list[DataFile]:
    """Return the entries of data files; the footer of each is read.

    Args:
        store: The archive's store.
        table: The table.
        files: The files, as their seal has them.

    Raises:
        StorageError: A file is absent, or the store did not answer.
        ArchiveFileError: A file is not what its seal says.
    """
    with ThreadPoolExecutor(_READERS, thread_name_prefix="telemetry-archive-footers") as pool:
        return list(pool.map(lambda file: _entry_of(store, table, file), files))


def _entry_of(store: StorageProvider, table: Table, file: SealedFile) -> DataFile:
    schema = table.schema()
    with open_data_file(store, file.name, size=file.size) as opened:
        metadata = opened.metadata
    if metadata.num_rows != file.rows:
        message = (
            f"the data file {file.name!r} is refused: it has {metadata.num_rows} rows, and its seal names {file.rows}"
        )
        raise ArchiveFileError(message)
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=metadata,
        stats_columns=compute_statistics_plan(schema, table.metadata.properties),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    )
    entry = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=Locations(store).uri_of(file.name),
        file_format=FileFormat.PARQUET,
        partition=Record((date.fromisoformat(file.day) - _EPOCH).days),
        file_size_in_bytes=file.size,
        sort_order_id=table.metadata.default_sort_order_id,
        spec_id=table.metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )
    entry.spec_id = table.metadata.default_spec_id
    return entry
