from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.archive.table.file_io import StoreFileIO, known_store
from telemetry.config import StorageConfig
from telemetry.exceptions import ArchiveStateError, StorageAccessDeniedError, StorageConflictError
from telemetry.storage import StorageProvider, StorageProviderFactory


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StorageProvider]:
    with StorageProviderFactory.create(StorageConfig(provider="local_file", base_path=tmp_path / "archive")) as store:
        yield store


@pytest.fixture
def files(store: StorageProvider) -> Iterator[StoreFileIO]:
    with known_store(store) as properties:
        yield StoreFileIO(properties)


@pytest.fixture
def root(store: StorageProvider) -> str:
    return store.location


def test_written_file_is_read(files: StoreFileIO, root: str) -> None:
    output = files.new_output(f"{root}/events/metadata/1.json")
    assert not output.exists()
    with output.create() as stream:
        stream.write(b"abc")
        stream.write(b"def")
    given = output.to_input_file()

    assert (output.exists(), len(output), len(given), given.location) == (True, 6, 6, f"{root}/events/metadata/1.json")
    with given.open() as opened:
        opened.seek(-4, 2)
        assert (opened.read(2), opened.tell()) == (b"cd", 4)


def test_nothing_is_overwritten(files: StoreFileIO, root: str) -> None:
    for number in range(2):
        stream = files.new_output(f"{root}/events/metadata/1.json").create(overwrite=True)
        stream.write(b"%d" % number)
        if number:
            with pytest.raises(StorageConflictError):
                stream.close()
        else:
            stream.close()


def test_writer_that_fails_leaves_nothing(files: StoreFileIO, store: StorageProvider, root: str) -> None:
    def fail() -> None:
        with files.new_output(f"{root}/events/metadata/1.json").create() as stream:
            stream.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    files.new_output(f"{root}/events/metadata/2.json").create().write(b"never closed")

    assert list(store.list()) == []


def test_absent_file(files: StoreFileIO, root: str) -> None:
    with pytest.raises(FileNotFoundError):
        files.new_input(f"{root}/events/metadata/none").open()


def test_data_files_are_not_deleted(files: StoreFileIO, store: StorageProvider, root: str) -> None:
    store.put("events/data/x.parquet", b"1")
    store.put("events/metadata/x.json", b"1")
    with pytest.raises(ArchiveStateError, match="its own metadata"):
        files.delete(f"{root}/events/data/x.parquet")
    files.delete(files.new_input(f"{root}/events/metadata/x.json"))

    assert [stored.name for stored in store.list()] == ["events/data/x.parquet"]


def test_locked_metadata_stays(
    files: StoreFileIO, store: StorageProvider, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        message = f"{name} is locked"
        raise StorageAccessDeniedError(message)

    monkeypatch.setattr(store, "delete", refuse)
    files.delete(f"{root}/events/metadata/x.json")


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "s3://trail/x", "../x", "/etc/passwd"])
def test_other_places_are_refused(files: StoreFileIO, uri: str) -> None:
    for use in (files.new_input, files.new_output, files.delete):
        with pytest.raises(ArchiveStateError, match="not below"):
            use(uri)


def test_store_that_is_not_open_is_refused(store: StorageProvider) -> None:
    with known_store(store) as properties:
        pass
    for given in (properties, {}):
        with pytest.raises(ArchiveStateError, match="closed"):
            StoreFileIO(given)
