from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.table import Table

from telemetry.archive.files.writing import write_data_files
from telemetry.archive.table import forgetting
from telemetry.archive.table.archive_table import ArchiveTable
from telemetry.archive.table.layout import RETRIES, TABLE
from telemetry.config import StorageConfig
from telemetry.exceptions import (
    ArchiveConflictError,
    ArchiveError,
    ArchiveFileError,
    ArchiveStateError,
    ConfigurationError,
    StorageNotFoundError,
)
from telemetry.format.archive.seal import Seal, SealedFile, SealKind
from telemetry.storage import StorageProvider, StorageProviderFactory
from tests.support.memory_store import MemoryStore
from tests.unit.archive.files.test_data_file import rows

theirs = pytest.mark.filterwarnings("ignore:Parquet writer option")  # PyIceberg writes no Bloom filters
ARCHIVE = "0198c0de-0000-7000-8000-00000000000a"


def seal(number: int, added: Sequence[SealedFile] = (), removed: Sequence[str] = (), **fields: Any) -> Seal:
    """Return a seal; what registering does not read is made up."""
    values: dict[str, Any] = {
        "archive": ARCHIVE,
        "source": "/production/telemetry-archiver",
        "number": number,
        "kind": SealKind.COMPACT if removed else SealKind.APPEND,
        "time": "2026-01-31T12:00:00Z",
        "previous": "",
        "added": tuple(added),
        "removed": tuple(removed),
        "positions": {"audit-events": {0: 10 * number, 3: 7}},
        "rows": 0,
        "records": 0,
    }
    return Seal(**{**values, **fields})


def open_store(folder: Path) -> StorageProvider:
    return StorageProviderFactory.create(StorageConfig(provider="local_file", base_path=folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "an archive%20"


@pytest.fixture
def store(folder: Path) -> Iterator[StorageProvider]:
    with open_store(folder) as store:
        yield store


@pytest.fixture
def table(store: StorageProvider) -> Iterator[ArchiveTable]:
    with ArchiveTable.open(store) as table:
        yield table


def as_others_see_it(folder: Path) -> Table:
    """Return the table as another program opens it: by the catalog's file, with PyIceberg's own files."""
    catalog = load_catalog("telemetry", type="sql", uri=f"sqlite:///{quote(str(folder / 'catalog.db'))}")
    return catalog.load_table(TABLE)


def test_new_table_is_empty(table: ArchiveTable, store: StorageProvider, folder: Path) -> None:
    assert (table.sealed_number(), table.file_names(), table.foreign_snapshots()) == (-1, set(), [])
    assert (folder / "catalog.db").stat().st_mode & 0o777 == 0o600
    assert {stored.name.rpartition("/")[0] for stored in store.list("events")} == {"events/metadata"}


def test_files_are_registered(table: ArchiveTable, store: StorageProvider, folder: Path) -> None:
    first = write_data_files(store, pa.concat_tables([rows(30), rows(5, day=20_001)]))
    table.register(seal(0, first))
    second = write_data_files(store, rows(7, day=20_001, first=100))
    table.register(seal(1, second))

    assert table.sealed_number() == 1
    assert table.file_names() == {file.name for file in (*first, *second)}
    assert table.foreign_snapshots() == []
    summary = as_others_see_it(folder).current_snapshot().summary  # type: ignore[union-attr]
    assert summary is not None
    assert (summary["telemetry.offsets.audit-events"], summary["total-records"]) == ('{"0": 10, "3": 7}', "42")


def test_other_engines_read_it(table: ArchiveTable, store: StorageProvider, folder: Path) -> None:
    table.register(seal(0, write_data_files(store, pa.concat_tables([rows(30), rows(5, day=20_001, first=50)]))))
    others = as_others_see_it(folder)
    assert others.scan().to_arrow().num_rows == 35
    later = others.scan(row_filter="day = '2024-10-05'", selected_fields=("sequence", "service", "redacted"))

    assert later.to_arrow().sort_by("sequence").column("sequence").to_pylist() == list(range(50, 55))
    assert len(list(later.plan_files())) == 1, "days are no partitions"
    assert list(others.scan(row_filter="sequence > 1000").plan_files()) == [], "ranges do not prune"
    with duckdb.connect() as connection:
        pattern = str(folder / "events" / "data" / "*" / "*.parquet")
        assert connection.execute("SELECT count(*) FROM read_parquet(?)", [pattern]).fetchone() == (35,)


def test_manifests_name_no_user(table: ArchiveTable, store: StorageProvider, folder: Path) -> None:
    table.register(seal(0, write_data_files(store, rows(30))))
    entry = next(iter(as_others_see_it(folder).scan().plan_files())).file
    schema = as_others_see_it(folder).schema()

    bounded = {schema.find_column_name(number) for number in entry.lower_bounds}
    assert {"day", "service", "producer", "sequence", "kind"} <= bounded
    assert bounded.isdisjoint({"keyhash", "found_keyhash", "userid", "ipaddress", "value", "leaf", "key"})


def test_replaced_files(table: ArchiveTable, store: StorageProvider, folder: Path) -> None:
    old = [*write_data_files(store, rows(30)), *write_data_files(store, rows(5, first=30))]
    table.register(seal(0, old))
    kept = write_data_files(store, rows(9, day=20_001))
    table.register(seal(1, kept))
    new = write_data_files(store, rows(35))
    table.register(seal(2, new, [file.name for file in old]))

    assert table.file_names() == {file.name for file in (*kept, *new)}
    assert as_others_see_it(folder).scan().to_arrow().num_rows == 44
    assert all(store.size(file.name) for file in old), "Iceberg deleted files"


def test_seal_is_registered_once(table: ArchiveTable, store: StorageProvider) -> None:
    only = seal(0, write_data_files(store, rows(3)))
    table.register(only)
    table.register(only)

    assert len(table.file_names()) == 1


def test_seal_without_files_moves_the_number(table: ArchiveTable) -> None:
    table.register(seal(0))

    assert (table.sealed_number(), table.file_names()) == (0, set())


@pytest.mark.parametrize(
    ("wrong", "reason"), [({"number": 2}, "at seal 0"), ({"number": 1, "archive": "another"}, "of the archive")]
)
def test_seal_that_does_not_follow_is_refused(table: ArchiveTable, wrong: dict[str, Any], reason: str) -> None:
    table.register(seal(0))
    with pytest.raises(ArchiveStateError, match=reason):
        table.register(seal(**wrong))


def test_removal_of_what_is_not_there(table: ArchiveTable) -> None:
    table.register(seal(0))
    with pytest.raises(ArchiveStateError, match="lacks 1 of the files"):
        table.register(seal(1, removed=["events/data/day=2024-10-04/none.parquet"]))


def test_file_that_is_not_what_its_seal_says(table: ArchiveTable, store: StorageProvider) -> None:
    (file,) = write_data_files(store, rows(3))
    for wrong, error in (
        ({"rows": 4}, ArchiveFileError),
        ({"size": file.size - 1}, ArchiveFileError),
        ({"name": file.name.replace("-0.", "-1.")}, StorageNotFoundError),
    ):
        values = {name: getattr(file, name) for name in file.__struct_fields__}
        with pytest.raises(error):
            table.register(seal(0, [SealedFile(**{**values, **wrong})]))
    assert table.sealed_number() == -1


def test_two_processes_register_one_seal(folder: Path, store: StorageProvider) -> None:
    only = seal(0, write_data_files(store, rows(3)))
    with ArchiveTable.open(store) as one, open_store(folder) as again, ArchiveTable.open(again) as other:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda table: table.register(only), (one, other)))
        assert one.sealed_number() == other.sealed_number() == 0
        assert len(one.file_names()) == 1


def test_processes_that_open_a_new_archive_share_a_table(folder: Path) -> None:
    def open_one(_number: int) -> int:
        with open_store(folder) as store, ArchiveTable.open(store) as table:
            return table.sealed_number()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(open_one, range(4))) == [-1] * 4


@theirs
def test_foreign_snapshot_is_named_and_adopted(table: ArchiveTable, store: StorageProvider, folder: Path) -> None:
    table.register(seal(0, write_data_files(store, rows(3))))
    others = as_others_see_it(folder)
    others.append(rows(4, day=20_001))
    (foreign,) = table.foreign_snapshots()

    assert (foreign.operation, foreign.removed, len(foreign.added)) == ("append", (), 1)
    assert foreign.added[0].startswith("events/data/day=2024-10-05/")
    assert table.sealed_number() == 0
    with pytest.raises(ArchiveStateError, match="another program"):
        table.register(seal(1))
    others.append(rows(4, day=20_002))
    later = table.foreign_snapshots()[1]
    with pytest.raises(ArchiveStateError, match="another snapshot"):
        table.register(seal(1, kind=SealKind.ADOPT, snapshot=later.snapshot_id))
    table.register(seal(1, kind=SealKind.ADOPT, snapshot=foreign.snapshot_id))
    assert (table.foreign_snapshots(), table.sealed_number()) == ([later], 1)
    table.register(seal(2, kind=SealKind.ADOPT, snapshot=later.snapshot_id))
    assert (table.foreign_snapshots(), table.sealed_number(), len(table.file_names())) == ([], 2, 3)
    table.register(seal(3))


@theirs
def test_foreign_rewrite_names_what_it_removed(table: ArchiveTable, store: StorageProvider, folder: Path) -> None:
    files = write_data_files(store, rows(3))
    table.register(seal(0, files))
    as_others_see_it(folder).overwrite(rows(3))
    removed = [name for foreign in table.foreign_snapshots() for name in foreign.removed]

    assert removed == [file.name for file in files]


@theirs
def test_commit_beside_a_foreign_one_is_a_conflict(
    table: ArchiveTable, store: StorageProvider, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_data_files(store, rows(3))
    table.register(seal(0))
    refresh = Table.refresh

    def refresh_and_be_late(own: Table) -> Table:
        found = refresh(own)
        monkeypatch.setattr(Table, "refresh", refresh)
        as_others_see_it(folder).append(rows(4, day=20_001))
        return found

    monkeypatch.setattr(Table, "refresh", refresh_and_be_late)
    with pytest.raises(ArchiveConflictError):
        table.register(seal(1, file))
    assert table.sealed_number() == 0
    assert len(table.file_names()) == 1


def test_lost_table_is_made_again(store: StorageProvider, folder: Path) -> None:
    live = [*write_data_files(store, rows(3)), *write_data_files(store, rows(4, first=3))]
    with ArchiveTable.open(store) as table:
        table.register(seal(0, live[:1]))
        table.register(seal(1, live[1:]))
    (folder / "catalog.db").unlink()
    with ArchiveTable.open(store) as table:
        assert table.sealed_number() == -1
        table.rebuild(live, seal=seal(1, live[1:]))
        assert (table.sealed_number(), len(table.file_names())) == (1, 2)
        table.register(seal(2, write_data_files(store, rows(5, first=7))))
    assert as_others_see_it(folder).scan().to_arrow().num_rows == 12


def test_properties_are_set_again(store: StorageProvider, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with ArchiveTable.open(store):
        pass
    with as_others_see_it(folder).transaction() as transaction:
        transaction.set_properties({RETRIES: "4", "comment": "theirs"})
    with ArchiveTable.open(store):
        pass

    found = as_others_see_it(folder).metadata.properties
    assert (found[RETRIES], found["comment"]) == ("0", "theirs")
    assert RETRIES in caplog.text


def test_old_snapshots_are_forgotten(table: ArchiveTable, store: StorageProvider) -> None:
    for number in range(5):
        table.register(seal(number, write_data_files(store, rows(1, first=number))))
    later = datetime.now(UTC) + timedelta(hours=1)

    assert table.expire_snapshots(older_than=later - timedelta(days=1)) == 0
    assert table.expire_snapshots(older_than=later) == 4
    assert (table.sealed_number(), len(table.file_names())) == (4, 5)
    table.register(seal(5, write_data_files(store, rows(1, first=6))))


def test_many_commits_keep_little_metadata(
    table: ArchiveTable, store: StorageProvider, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "MOST", 8)
    monkeypatch.setattr(forgetting, "KEPT", 4)
    monkeypatch.setattr(forgetting, "GRACE", timedelta(hours=-1))
    for number in range(25):
        table.register(seal(number, write_data_files(store, rows(1, first=number))))

    snapshots = as_others_see_it(folder).metadata.snapshots
    assert 4 <= len(snapshots) <= 9
    lists = [stored.name for stored in store.list("events/metadata/snap-")]
    assert len(lists) == len(snapshots)
    assert as_others_see_it(folder).scan().to_arrow().num_rows == 25
    assert len(list(store.list("events/data/"))) == 25


def test_young_snapshots_stay(table: ArchiveTable, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "MOST", 2)
    monkeypatch.setattr(forgetting, "KEPT", 1)
    for number in range(5):
        table.register(seal(number))

    assert len(as_others_see_it(folder).metadata.snapshots) == 5


def test_other_partitions_are_refused(table: ArchiveTable, store: StorageProvider, folder: Path) -> None:
    with as_others_see_it(folder).update_spec() as update:
        update.add_identity("service")
    with pytest.raises(ArchiveStateError, match="partitioned by day alone"):
        ArchiveTable.open(store)


def test_copy_at_another_place_needs_another_catalog(table: ArchiveTable, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    with open_store(tmp_path / "copy") as copy:
        with pytest.raises(ArchiveStateError, match="catalog of its own"):
            ArchiveTable.open(copy)
        with ArchiveTable.open(copy, catalog_path=tmp_path / "new?%20" / "own.db") as own:
            assert own.sealed_number() == -1


def test_catalog_of_other_columns_is_refused(table: ArchiveTable, store: StorageProvider, folder: Path) -> None:
    with as_others_see_it(folder).update_schema() as update:
        update.rename_column("keyhash", "user")
    with pytest.raises(ArchiveStateError, match="no column 'keyhash'"):
        ArchiveTable.open(store)


def test_further_column_is_no_fault(table: ArchiveTable, store: StorageProvider, folder: Path) -> None:
    from pyiceberg.types import StringType  # noqa: PLC0415 - beside its use

    with as_others_see_it(folder).update_schema() as update:
        update.add_column("theirs", StringType())
    with ArchiveTable.open(store) as again:
        again.register(seal(0, write_data_files(store, rows(3))))


def test_bucket_needs_a_catalog() -> None:
    store = MemoryStore(StorageConfig(provider="memory"), objects={})
    with pytest.raises(ConfigurationError, match="catalog_path"):
        ArchiveTable.open(store)


def test_catalog_that_is_no_database(store: StorageProvider, tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(b"junk" * 1_000)
    path.chmod(0o600)
    with pytest.raises(ArchiveError, match="opening the catalog"):
        ArchiveTable.open(store, catalog_path=path)


def test_catalog_that_cannot_be_reached(store: StorageProvider) -> None:
    secret = "open sesame"
    catalog = {"type": "rest", "uri": "http://127.0.0.1:9", "token": secret}
    with pytest.raises(ArchiveError, match="opening the catalog") as caught:
        ArchiveTable.open(store, catalog=catalog)
    assert secret not in str(caught.value)


def test_table_after_its_store(store: StorageProvider) -> None:
    with ArchiveTable.open(store) as table:
        pass
    with pytest.raises(ArchiveError):
        table.sealed_number()
