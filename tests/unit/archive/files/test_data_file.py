from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telemetry.archive.files import writing
from telemetry.archive.files.data_file import DataFile, open_data_file
from telemetry.archive.files.digest import digest_of
from telemetry.archive.files.parquet_form import GROUP_ROWS, MAX_FOOTER_BYTES
from telemetry.archive.files.writing import DataFileWriter, write_data_files
from telemetry.archive.rows.columns import COLUMNS, SCHEMA, SORT_COLUMNS, row
from telemetry.archive.rows.tables import table_of
from telemetry.config import StorageConfig
from telemetry.exceptions import ArchiveFileError, StorageError, StorageFullError, StorageNotFoundError
from telemetry.storage import StorageProvider, StorageProviderFactory


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StorageProvider]:
    with StorageProviderFactory.create(StorageConfig(provider="local_file", base_path=tmp_path / "archive")) as store:
        yield store


def rows(count: int, *, day: int = 20_000, first: int = 0, size: int = 10) -> pa.Table:
    return table_of(
        row(day=day, service="s", producer="p", kind="event", sequence=number, value=b"v" * size, keyhash=f"{number}")
        for number in range(first, first + count)
    )


def test_files_of_two_days(store: StorageProvider) -> None:
    table = pa.concat_tables([rows(30), rows(5, day=20_001)])
    files = write_data_files(store, table)

    assert [(file.day, file.rows) for file in files] == [("2024-10-04", 30), ("2024-10-05", 5)]
    for file, expected in zip(files, (rows(30), rows(5, day=20_001)), strict=True):
        assert tuple(digest_of(store, file.name)) == (file.sha256, file.size)
        with open_data_file(store, file.name, size=file.size) as opened:
            assert (opened.rows, opened.groups, opened.range_of(0, "sequence")) == (file.rows, 1, (0, file.rows - 1))
            assert opened.range_of(0, "keyhash") is None, "a footer names users"
            assert opened.read_group(0).equals(expected)


def test_file_has_field_ids_order_and_filters(store: StorageProvider) -> None:
    (file,) = write_data_files(store, rows(3))
    parquet = pq.ParquetFile(io.BytesIO(store.get(file.name)))

    assert parquet.schema_arrow.equals(SCHEMA, check_metadata=False)
    ids = [field.metadata[b"PARQUET:field_id"] for field in parquet.schema_arrow]
    assert ids == [field.metadata[b"PARQUET:field_id"] for field in SCHEMA]
    order = [parquet.schema_arrow.names[one.column_index] for one in parquet.metadata.row_group(0).sorting_columns]
    assert order == list(SORT_COLUMNS)


def test_writer_cuts_files_and_groups(store: StorageProvider) -> None:
    writer = DataFileWriter(store, day=date(2024, 10, 4), max_bytes=4 << 20)
    for start in range(0, 50_000, 7_000):
        writer.write(rows(min(7_000, 50_000 - start), first=start, size=100))
    files = writer.close()

    assert [file.rows for file in files] == [GROUP_ROWS, GROUP_ROWS + 10_000]
    assert len({file.name for file in files}) == 2
    found = []
    for file in files:
        with open_data_file(store, file.name) as opened:
            found += [number for batch in opened.batches(["sequence"]) for number in batch.column(0).to_pylist()]
    assert found == list(range(50_000))


def test_large_values_make_small_groups(store: StorageProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "GROUP_BYTES", 64 << 10)
    (file,) = write_data_files(store, rows(9, size=20 << 10))
    with open_data_file(store, file.name) as opened:
        assert [opened.metadata.row_group(number).num_rows for number in range(opened.groups)] == [2, 2, 2, 3]


def test_abandoned_writer_creates_no_more(store: StorageProvider) -> None:
    writer = DataFileWriter(store, day=date(2024, 10, 4))
    writer.write(rows(5))
    writer.abandon()

    assert writer.close() == []
    assert list(store.list()) == []


def test_only_what_is_asked_for_is_read(store: StorageProvider) -> None:
    (file,) = write_data_files(store, rows(2_000, size=3_000))
    parts: list[int] = []

    class Counting:
        def size(self, name: str) -> int:
            return store.size(name)

        def read_part(self, name: str, start: int, length: int) -> bytes:
            parts.append(length)
            return store.read_part(name, start, length)

    with open_data_file(Counting(), file.name) as opened:  # type: ignore[arg-type]
        assert opened.read_group(0, ["sequence", "service"]).column_names == ["sequence", "service"]
    assert sum(parts) < 100_000
    assert len(parts) < 6


def test_absent_column_is_null(store: StorageProvider) -> None:
    older = rows(3).drop_columns(["until", "redacted"])
    sink = io.BytesIO()
    pq.write_table(older, sink)
    with DataFile(sink, name="older") as opened:
        table = opened.read_group(0)

    assert table.column_names == list(COLUMNS)
    assert table.column("redacted").to_pylist() == [None] * 3


def test_file_of_another_engine_is_read(store: StorageProvider) -> None:
    other = rows(3).select(list(reversed(COLUMNS)))
    position = other.column_names.index("service")
    other = other.set_column(position, "service", other.column("service").cast(pa.large_string()))
    sink = io.BytesIO()
    pq.write_table(other, sink, compression="snappy")
    with DataFile(sink, name="other") as opened:
        assert opened.read_group(0).equals(rows(3))


def _parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2] + data[len(data) // 2 + 10 :]


GOOD = _parquet(rows(100, size=300))
HOSTILE: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "short": lambda: b"PAR1",
    "junk": lambda: b"junk" * 1_000,
    "text with the magic": lambda: b"x" * 1_000 + (900).to_bytes(4, "little") + b"PAR1",
    "footer that claims much": lambda: GOOD[:-8] + (MAX_FOOTER_BYTES + 1).to_bytes(4, "little") + b"PAR1",
    "footer larger than the file": lambda: GOOD[:-8] + (1 << 20).to_bytes(4, "little") + b"PAR1",
    "unknown column": lambda: _parquet(rows(3).append_column("more", pa.array([1, 2, 3]))),
    "column twice": lambda: _parquet(rows(3).append_column("value", pa.array([b"", b"", b""]))),
    "text as number": lambda: _parquet(rows(3).set_column(1, "service", pa.array([1, 2, 3]))),
    "list in place of a text": lambda: _parquet(rows(3).set_column(1, "service", pa.array([["a"], [], None]))),
    "other struct": lambda: _parquet(
        rows(3).set_column(COLUMNS.index("redacted"), "redacted", pa.array([{"at": 1}, None, None]))
    ),
    "leaf of another length": lambda: _parquet(
        rows(3).set_column(COLUMNS.index("leaf"), "leaf", pa.array([b"x" * 8] * 3, pa.binary(8)))
    ),
    "no columns": lambda: _parquet(pa.table({})),
}


def test_dictionary_that_unfolds_to_much_is_refused() -> None:
    large = pa.DictionaryArray.from_arrays(
        pa.array([0] * 20_000, pa.int32()), pa.array([b"x" * (1 << 20)], pa.binary())
    )
    bomb = _parquet(
        rows(20_000).set_column(COLUMNS.index("value"), "value", large), compression="zstd", store_schema=False
    )
    assert len(bomb) < 1 << 20
    with DataFile(io.BytesIO(bomb), name="bomb") as opened:
        assert len(opened.read_group(0, ["sequence"])) == 20_000
        with pytest.raises(ArchiveFileError, match="'value' has more than"):
            opened.read_group(0)


def _replaced(name: str, array: pa.Array) -> bytes:
    return _parquet(rows(3).set_column(COLUMNS.index(name), name, array))


@pytest.mark.parametrize(
    "data",
    [
        _replaced("service", pa.array([b"a", b"\xff\xfe", b"c"]).view(pa.string())),
        _replaced("error", pa.array([b"a", b"\xed\xa0\x80", None]).view(pa.string())),
        _replaced("time", pa.array([0, 1 << 62, 0]).cast(pa.timestamp("us", tz="UTC"))),
        _replaced("kafka_time", pa.array([0, -(1 << 62), None]).cast(pa.timestamp("us", tz="UTC"))),
        _replaced("day", pa.array([0, 1 << 30, 0], pa.int32()).cast(pa.date32())),
        _replaced("redacted", pa.array([None, None, {"at": 1 << 62}], SCHEMA.field("redacted").type)),
    ],
)
def test_values_that_no_code_can_use_are_refused(data: bytes) -> None:
    with DataFile(io.BytesIO(data), name="odd") as opened, pytest.raises(ArchiveFileError, match="odd"):
        opened.read_group(0)


@pytest.mark.parametrize("day", [-719_162, 2_932_896])
def test_first_and_last_day_are_read(day: int) -> None:
    data = _replaced("day", pa.array([day] * 3, pa.int32()).cast(pa.date32()))
    with DataFile(io.BytesIO(data), name="odd") as opened:
        assert len(opened.read_group(0).column("day").to_pylist()) == 3


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_file_is_refused(store: StorageProvider, case: str) -> None:
    store.put("events/data/x.parquet", HOSTILE[case]())
    if case == "no columns":
        with open_data_file(store, "events/data/x.parquet") as opened:
            assert opened.rows == 0
        return
    with pytest.raises(ArchiveFileError, match=r"x\.parquet"):
        open_data_file(store, "events/data/x.parquet").read_group(0)


def test_altered_bytes_are_an_error_of_ours() -> None:
    survived = 0
    for place in range(4, len(GOOD), 97):
        altered = GOOD[:place] + bytes([GOOD[place] ^ 0x55]) + GOOD[place + 1 :]
        try:
            with DataFile(io.BytesIO(altered), name="altered") as opened:
                for batch in opened.batches():
                    batch.validate(full=True)
                survived += 1
        except (ArchiveFileError, pa.ArrowInvalid):
            pass
    assert survived, "most altered bytes are found by digests alone"


def test_file_that_disappears_is_an_error_of_the_store(store: StorageProvider) -> None:
    (file,) = write_data_files(store, rows(2_000, size=3_000))
    with open_data_file(store, file.name) as opened:
        store.delete(file.name)
        with pytest.raises(StorageNotFoundError):
            opened.read_group(0)
    with pytest.raises(StorageNotFoundError):
        open_data_file(store, file.name)


def test_store_that_is_full_leaves_no_claim(store: StorageProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, data: bytes) -> None:
        message = f"writing {name} failed"
        raise StorageFullError(message)

    monkeypatch.setattr(store, "put", refuse)
    with pytest.raises(StorageError):
        write_data_files(store, rows(3))
