"""A witness vouches only for seals that an archiver signed and that continue those that it saw."""

from __future__ import annotations

import pytest

from telemetry.exceptions import StorageUnreachableError
from telemetry.format.archive.seal import Commit, SealKind
from telemetry.format.archive.seal_note import seal_name
from telemetry.format.roster.entries import SealEntry
from telemetry.reader.seals.trust import own_policy
from telemetry.witness.archive import SealsSeen, WitnessedArchive
from tests.support.memory_store import MemoryStore
from tests.support.sealed_archive import ARCHIVE, ARCHIVER, SOURCE, SealedArchive
from tests.support.written_trail import Signer


class Watched:
    """An archive in a dictionary, and a witness of it."""

    def __init__(self, commits: int) -> None:
        self.store = MemoryStore()
        self.archive = SealedArchive(self.store)
        self.append(commits)
        self.witnessed = WitnessedArchive(self.archive.seals, own_policy(ARCHIVER.public, source=SOURCE))

    def append(self, commits: int) -> None:
        for _ in range(commits):
            self.archive.append()

    def entry(self, number: int) -> SealEntry:
        digest = self.archive.seals.read(number).digest
        return SealEntry(archive=ARCHIVE, number=number, digest=digest, signer=ARCHIVER.public.key_id.hex())


def test_only_the_newest_seal_is_recorded() -> None:
    watched = Watched(5)

    first = watched.witnessed.look(None)
    assert first == SealsSeen(watched.entry(4), 5)
    assert watched.witnessed.look(first.newest) == SealsSeen()
    watched.append(2)
    assert watched.witnessed.look(first.newest) == SealsSeen(watched.entry(6), 2)


def test_archive_without_seals_is_waited_for() -> None:
    assert Watched(0).witnessed.look(None) == SealsSeen()


@pytest.mark.parametrize("change", ["removed", "exchanged", "rubbish", "all removed"])
def test_seal_that_was_seen_must_stay(change: str) -> None:
    watched, other = Watched(5), SealedArchive(MemoryStore())
    for _ in range(5):
        other.append(rows=3)
    seen = watched.witnessed.look(None).newest
    if change == "removed":
        del watched.store.objects[seal_name(4)]
    elif change == "exchanged":
        watched.store.objects[seal_name(4)] = other.seals.read(4).data
    elif change == "rubbish":
        watched.store.objects[seal_name(4)] = b"rubbish"
    else:
        watched.store.objects.clear()

    result = watched.witnessed.look(seen)

    assert result.newest is None
    assert "00000004.seal is not the seal that was seen" in result.fault


def test_foreign_seal_is_not_vouched_for(caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched(3)
    archive = watched.archive
    archive.commit(Commit(kind=SealKind.APPEND, added=(archive.file(),)), signer=Signer(66, "archiver"))

    assert watched.witnessed.look(None) == SealsSeen(watched.entry(2), 3)
    assert "waits at evidence/seals/00000003.seal" in caplog.text


def test_fork_is_not_vouched_for(caplog: pytest.LogCaptureFixture) -> None:
    watched, other = Watched(3), SealedArchive(MemoryStore())
    for _ in range(4):
        other.append(rows=3)
    watched.store.objects[seal_name(3)] = other.seals.read(3).data

    assert watched.witnessed.look(watched.entry(2)) == SealsSeen()
    assert "does not continue the seal before it" in caplog.text


def test_store_that_is_away_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched(3)

    def away(_operation: str, name: str) -> None:
        raise StorageUnreachableError(name)

    known = watched.entry(1)
    watched.store.before = away

    assert watched.witnessed.look(known) == SealsSeen()
    assert "is in the next round" in caplog.text
