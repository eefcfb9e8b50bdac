from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow.dataset as ds
import pyarrow.fs as pa_fs
import pytest

from telemetry.archive.files.file_system import StoreFileSystem
from telemetry.archive.files.writing import write_data_files
from telemetry.config import StorageConfig
from telemetry.storage import StorageProvider, StorageProviderFactory
from tests.unit.archive.files.test_data_file import rows


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StorageProvider]:
    with StorageProviderFactory.create(StorageConfig(provider="local_file", base_path=tmp_path / "archive")) as store:
        yield store


def test_duckdb_reads_through_the_store(store: StorageProvider) -> None:
    files = write_data_files(store, rows(3_000)) + write_data_files(store, rows(10, day=20_001))
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        connection.register_filesystem(StoreFileSystem(store))
        paths = [f"archive://{file.name}" for file in files]
        counted = connection.execute("SELECT count(*), max(sequence) FROM read_parquet(?)", [paths]).fetchone()
        found = connection.execute(
            "SELECT sequence FROM read_parquet('archive://events/data/*/*.parquet') WHERE keyhash = '7' ORDER BY ALL"
        ).fetchall()

    assert counted == (3_010, 2_999)
    assert found == [(7,), (7,)]


def test_pyarrow_reads_through_the_store(store: StorageProvider) -> None:
    (file,) = write_data_files(store, rows(30))
    system = pa_fs.PyFileSystem(pa_fs.FSSpecHandler(StoreFileSystem(store)))

    assert ds.dataset([file.name], filesystem=system).to_table(columns=["sequence"]).num_rows == 30


def test_folders_and_objects(store: StorageProvider) -> None:
    (file,) = write_data_files(store, rows(3))
    system = StoreFileSystem(store)

    assert system.ls("archive://events/data", detail=False) == ["events/data/day=2024-10-04"]
    assert system.info(f"archive://{file.name}")["size"] == file.size
    assert system.find("events") == [file.name]
    assert system.isdir("events/data")
    assert system.cat(file.name) == store.get(file.name)
    for path in ("archive://nothing", "events/../x"):
        assert not system.exists(path)


def test_nothing_is_written(store: StorageProvider) -> None:
    with pytest.raises(PermissionError):
        StoreFileSystem(store).open("events/x", "wb")
