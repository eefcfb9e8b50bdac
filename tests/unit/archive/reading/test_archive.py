"""Opening an archive: what its newest seal says, whom it believes, and what it does where there is none."""

from __future__ import annotations

from datetime import date

import pytest

from telemetry.archive.reading.archive import ArchiveReader
from telemetry.archive.reading.days import DayRange
from telemetry.exceptions import ConfigurationError, TamperedError
from telemetry.format.archive.seal_note import seal_name
from telemetry.reader.seals.trust import own_policy
from telemetry.reader.trust.policy import TrustPolicy
from tests.support.memory_store import MemoryStore
from tests.support.sealed_archive import ARCHIVER, SOURCE, SealedArchive
from tests.support.written_trail import Signer

_POLICY = own_policy(ARCHIVER.public, source=SOURCE)


def _archive(commits: int) -> SealedArchive:
    archive = SealedArchive(MemoryStore())
    for _ in range(commits):
        archive.append()
    return archive


def test_newest_seal_says_what_is_live() -> None:
    archive = _archive(3)
    reader = ArchiveReader(archive.store, name="the archive", trust=_POLICY)

    assert archive.state is not None
    assert (reader.number, reader.digest) == (2, archive.state.digest)
    assert reader.live_files() == list(archive.state.live.files())
    assert reader.is_judged
    assert reader.describe() == {
        "kind": "archive",
        "archive": "the archive",
        "seal": 2,
        "digest": archive.state.digest,
    }


def test_days_choose_the_files() -> None:
    reader = ArchiveReader(_archive(2).store, name="the archive")
    day = date.fromisoformat(reader.live_files()[0].day)

    assert reader.live_files(days=DayRange(day, day)) == reader.live_files()
    assert reader.live_files(days=DayRange(None, date(1970, 1, 1))) == []


def test_refresh_returns_what_was_sealed_meanwhile() -> None:
    archive = _archive(2)
    reader = ArchiveReader(archive.store, name="the archive")
    assert reader.refresh() == []
    archive.append()

    assert [stored.number for stored in reader.refresh()] == [2]
    assert len(reader.live_files()) == 3


def test_place_without_a_seal_is_no_archive() -> None:
    with pytest.raises(ConfigurationError, match="no seal"):
        ArchiveReader(MemoryStore(), name="the archive")


def test_seal_of_a_stranger_is_not_believed() -> None:
    archive = _archive(2)
    other = own_policy(Signer(9, "stranger").public, source=SOURCE)

    with pytest.raises(TamperedError, match="not believed"):
        ArchiveReader(archive.store, name="the archive", trust=other)


def test_without_a_trusted_archiver_seals_are_not_judged() -> None:
    assert not ArchiveReader(_archive(2).store, name="the archive", trust=TrustPolicy(())).is_judged


def test_seal_that_was_removed_is_named() -> None:
    archive = _archive(5)
    store = archive.store
    assert isinstance(store, MemoryStore)
    del store.objects[seal_name(0)]
    store.objects[seal_name(0)] = store.objects[seal_name(3)]

    with pytest.raises(Exception, match=r"00000000\.seal"):
        ArchiveReader(store, name="the archive")
