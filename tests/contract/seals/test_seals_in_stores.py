"""Seals in every store: one writer of a number wins, the last one is found, and all are read in order."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from telemetry.config import StorageConfig
from telemetry.exceptions import FormatError, StorageConflictError, StorageNotFoundError
from telemetry.format.archive.seal import Commit, SealedRange, SealKind
from telemetry.format.archive.seal_note import encode_seal, seal_name
from telemetry.format.archive.succession import ArchiveState, seal_after
from telemetry.reader.seals.chain import judge_chain
from telemetry.reader.seals.files import judge_file
from telemetry.reader.seals.folding import fold
from telemetry.reader.seals.store import SealStore
from telemetry.reader.seals.trust import own_policy
from telemetry.storage import StorageProvider, StorageProviderFactory
from tests.support.sealed_archive import ARCHIVE, ARCHIVER, SOURCE, SealedArchive
from tests.support.written_trail import TOPIC

pytestmark = pytest.mark.services

_POLICY = own_policy(ARCHIVER.public, source=SOURCE)


@pytest.fixture
def store(any_config: StorageConfig) -> Iterator[StorageProvider]:
    config = any_config
    if config.base_path is None:
        config = config.model_copy(update={"prefix": f"archive/{uuid.uuid4()}"})
    with StorageProviderFactory.create(config) as provider:
        yield provider


def test_archive_is_judged(store: StorageProvider) -> None:
    archive = SealedArchive(store)
    assert archive.seals.last_number() is None
    for _ in range(6):
        archive.append()

    assert (archive.seals.last_number(), archive.seals.numbers()) == (5, list(range(6)))
    state = fold(archive.seals, policy=_POLICY)
    assert state is not None
    assert archive.state is not None
    assert state.digest == archive.state.digest
    judgement = judge_chain(archive.seals, _POLICY)
    assert judgement.findings == ()
    assert [judge_file(store, live) for live in judgement.live.values()] == [[]] * 6
    store.delete(seal_name(3))
    assert [finding.place for finding in judge_chain(archive.seals, _POLICY).findings] == [seal_name(3)]
    with pytest.raises(StorageNotFoundError):
        archive.seals.read(3)


def test_one_of_many_writers_creates_a_number(store: StorageProvider) -> None:
    archive = SealedArchive(store)
    archive.append()
    assert archive.state is not None
    rivals = [_next_seal(archive.state, rows) for rows in range(1, 9)]

    def create(data: bytes) -> bool:
        try:
            SealStore(store).create(1, data)
        except StorageConflictError:
            return False
        return True

    with ThreadPoolExecutor(len(rivals)) as pool:
        created = list(pool.map(create, rivals))

    assert created.count(True) == 1
    assert archive.seals.read(1).data == rivals[created.index(True)]
    assert judge_chain(archive.seals, _POLICY).findings == ()


def test_object_without_bytes_is_no_seal(store: StorageProvider) -> None:
    store.put(seal_name(0), b"")

    with pytest.raises(FormatError, match="cannot be read"):
        SealStore(store).read(0)


def _next_seal(state: ArchiveState, rows: int) -> bytes:
    offsets = SealedRange(topic=TOPIC, partition=0, first=10, end=10 + rows)
    commit = Commit(kind=SealKind.APPEND, ranges=(offsets,))
    time = "2026-01-02T04:04:05.000000Z"
    return encode_seal(seal_after(state, commit, time=time, source=SOURCE, archive=ARCHIVE), ARCHIVER)
