"""An archive's files and its table in each cloud store, through the library's own clients."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from pyiceberg.catalog import load_catalog

from telemetry.archive.files.data_file import open_data_file
from telemetry.archive.files.digest import digest_of
from telemetry.archive.files.file_system import StoreFileSystem
from telemetry.archive.files.writing import write_data_files
from telemetry.archive.table.archive_table import ArchiveTable
from telemetry.archive.table.layout import TABLE
from telemetry.config import StorageConfig
from telemetry.storage import StorageProviderFactory
from tests.unit.archive.files.test_data_file import rows
from tests.unit.archive.table.test_archive_table import seal

pytestmark = pytest.mark.services


def test_table_in_a_bucket(cloud_config: StorageConfig, tmp_path: Path) -> None:
    config = cloud_config.model_copy(update={"prefix": f"{cloud_config.prefix}/years".strip("/")})
    with StorageProviderFactory.create(config) as store:
        files = [*write_data_files(store, rows(3_000, size=200)), *write_data_files(store, rows(5, day=20_001))]
        with ArchiveTable.open(store, catalog_path=tmp_path / "catalog.db") as table:
            table.register(seal(0, files))
            new = write_data_files(store, rows(3_000, size=200))
            table.register(seal(1, new, [files[0].name]))
            assert (table.sealed_number(), table.file_names()) == (1, {files[1].name, new[0].name})
            assert table.foreign_snapshots() == []
        with ArchiveTable.open(store, catalog_path=tmp_path / "another.db") as table:
            table.rebuild([files[1], *new], seal=seal(1, new, [files[0].name]))
            assert table.sealed_number() == 1
        with open_data_file(store, new[0].name) as opened:
            assert opened.read_group(0).equals(rows(3_000, size=200))
        assert digest_of(store, new[0].name).sha256 == new[0].sha256
        with duckdb.connect() as connection:
            connection.register_filesystem(StoreFileSystem(store))
            paths = [f"archive://{file.name}" for file in (files[1], *new)]
            found = connection.execute("SELECT count(*) FROM read_parquet(?)", [paths]).fetchone()
        assert found == (3_005,)


def test_another_engine_reads_s3_by_its_own_client(s3_config: StorageConfig, tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    with StorageProviderFactory.create(s3_config) as store, ArchiveTable.open(store, catalog_path=path) as table:
        table.register(seal(0, write_data_files(store, rows(30))))
    assert s3_config.aws_access_key_id is not None
    assert s3_config.aws_secret_access_key is not None
    own = {
        "s3.endpoint": s3_config.endpoint_url or "",
        "s3.access-key-id": s3_config.aws_access_key_id,
        "s3.secret-access-key": s3_config.aws_secret_access_key.get_secret_value(),
        "s3.region": s3_config.aws_region or "us-east-1",
    }
    catalog = load_catalog("telemetry", type="sql", uri=f"sqlite:///{path}", **own)

    assert catalog.load_table(TABLE).scan().to_arrow().num_rows == 30
