from __future__ import annotations

import errno
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telemetry.archive.rows.tables import sorted_table
from telemetry.archive.upkeep import checked_input, sorted_run
from telemetry.archive.upkeep.checked_input import CheckedInput
from telemetry.archive.upkeep.fingerprint import Fingerprint
from telemetry.archive.upkeep.merging import ORDER_COLUMNS
from telemetry.archive.upkeep.sorted_run import sorted_rows
from telemetry.config import StorageConfig
from telemetry.exceptions import ArchiveFileError, StorageFullError, TamperedError
from telemetry.format.archive.seal import SealedFile
from telemetry.storage import StorageProvider, StorageProviderFactory
from tests.support.upkeep_rows import Rows, an_event

KEYS = list(ORDER_COLUMNS)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StorageProvider]:
    with StorageProviderFactory.create(StorageConfig(provider="local_file", base_path=tmp_path / "archive")) as opened:
        yield opened


def put(store: StorageProvider, number: int, table: pa.Table, **parts: Any) -> SealedFile:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=16)
    data = sink.getvalue()
    name = f"events/data/day=2024-10-04/018f3b1c-0000-7000-8000-{number:012d}-0.parquet"
    store.put(name, data)
    sealed = {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "rows": table.num_rows}
    return SealedFile(**{**sealed, "day": "2024-10-04", **parts})


def test_many_files_are_merged_in_steps(store: StorageProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_run, "MAX_INPUTS", 3)
    rows = [an_event(producer, number) for producer in "abc" for number in range(70)]
    files = [put(store, start, Rows(rows[start::11]).table) for start in range(11)]

    table = pa.concat_tables(sorted_rows(store, files))

    assert table.select(KEYS).equals(sorted_table(table).select(KEYS))
    assert Fingerprint().of(table) == Fingerprint().of(Rows(rows).table)


def test_file_of_another_engine_is_sorted_first(store: StorageProvider) -> None:
    table = Rows([an_event("a", number) for number in range(40)]).table
    shuffled = table.take([*range(20, 40), *range(20)]).select(table.column_names[::-1]).drop_columns(["until"])

    with CheckedInput(store, put(store, 1, shuffled)) as opened:
        found = pa.Table.from_batches(opened.batches())

    assert found.equals(table)


def test_unsorted_file_that_is_too_large_is_refused(store: StorageProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked_input, "MAX_UNSORTED_BYTES", 100)
    table = Rows([an_event("a", number) for number in range(40)]).table
    file = put(store, 1, table.take([*range(20, 40), *range(20)]))

    with pytest.raises(ArchiveFileError, match="too many to sort"):
        CheckedInput(store, file)


@pytest.mark.parametrize("parts", [{"sha256": "0" * 64}, {"size": 10}, {"size": 10**7}, {"rows": 39}])
def test_file_that_is_not_as_it_was_sealed(store: StorageProvider, parts: dict[str, Any]) -> None:
    file = put(store, 1, Rows([an_event("a", number) for number in range(40)]).table, **parts)

    with pytest.raises(TamperedError, match="is not rewritten"):
        CheckedInput(store, file)


def test_sealed_rubbish_is_refused(store: StorageProvider) -> None:
    file = put(store, 1, pa.table({"x": [1]}))

    with pytest.raises(ArchiveFileError):
        CheckedInput(store, file)


def test_full_disk_is_said(store: StorageProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    file = put(store, 1, Rows([an_event("a", 1)]).table)

    class Full(io.BytesIO):
        def write(self, _data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("telemetry.archive.upkeep.checked_input.tempfile.TemporaryFile", Full)

    with pytest.raises(StorageFullError, match="TMPDIR"):
        CheckedInput(store, file)
