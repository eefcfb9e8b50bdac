"""Seals in a store: created once, found with few requests, read without belief."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.config import StorageConfig
from telemetry.exceptions import FormatError, StorageConflictError, StorageNotFoundError
from telemetry.format.archive.seal import MAX_SEAL_BYTES
from telemetry.format.archive.seal_note import seal_name
from telemetry.reader.seals.store import SealStore, StoredSeal, UnreadSeal
from telemetry.storage import StorageProviderFactory
from tests.support.memory_store import MemoryStore
from tests.support.sealed_archive import SealedArchive


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 64, 65])
def test_last_number(count: int) -> None:
    archive = SealedArchive(MemoryStore())
    for _ in range(count):
        archive.append()

    assert archive.seals.last_number() == (count - 1 if count else None)
    assert archive.seals.numbers() == list(range(count))


def test_last_number_needs_few_requests() -> None:
    store = MemoryStore(objects={seal_name(number): b"" for number in range(60_000)})
    asked: list[str] = []
    store.before = lambda _operation, name: asked.append(name)

    assert SealStore(store).last_number() == 59_999
    assert len(asked) < 60


def test_second_writer_of_a_number_is_refused() -> None:
    store = MemoryStore()
    first, second = SealedArchive(store), SealedArchive(store)
    winner = first.append()

    with pytest.raises(StorageConflictError):
        second.append(rows=3)
    assert first.seals.create(0, winner.data) == winner, "the same bytes again are one's own"
    assert first.seals.read(0) == winner


def test_bytes_of_another_seal_are_not_created() -> None:
    archive = SealedArchive(MemoryStore())
    stored = archive.append()

    with pytest.raises(FormatError, match="contains seal 0"):
        archive.seals.create(1, stored.data)


def test_walk_says_what_cannot_be_read() -> None:
    store = MemoryStore()
    archive = SealedArchive(store)
    for _ in range(40):
        archive.append()
    del store.objects[seal_name(3)]
    store.objects[seal_name(5)] = b"rubbish"
    store.objects[seal_name(7)] = store.objects[seal_name(6)]
    store.objects[seal_name(9)] = b"x" * (MAX_SEAL_BYTES + 1)
    store.objects["evidence/seals/x.seal"] = b""

    walked = list(archive.seals.walk())

    assert [each.number for each in walked] == list(range(40))
    unread = {each.number: each for each in walked if isinstance(each, UnreadSeal)}
    assert {number: each.is_absent for number, each in unread.items()} == {3: True, 5: False, 7: False, 9: False}
    assert all(isinstance(each, StoredSeal) for each in walked if each.number not in unread)
    with pytest.raises(StorageNotFoundError):
        archive.seals.read(3)


def test_oversized_seal_is_not_fetched_whole(tmp_path: Path) -> None:
    store = StorageProviderFactory.create(StorageConfig(provider="local_file", base_path=tmp_path / "archive"))
    store.put(seal_name(0), b"x" * (MAX_SEAL_BYTES + 5))

    with pytest.raises(FormatError, match="larger than 16777216 bytes"):
        SealStore(store).read(0)
