"""A file that a later seal removed is not missing; what nobody believed has removed is."""

from __future__ import annotations

from telemetry.format.archive.seal import Commit, SealKind
from telemetry.reader.seals.later import removed_since
from telemetry.reader.seals.trust import own_policy
from tests.support.memory_store import MemoryStore
from tests.support.sealed_archive import ARCHIVER, SOURCE, SealedArchive, data_name
from tests.support.written_trail import Signer

_POLICY = own_policy(ARCHIVER.public, source=SOURCE)


def test_only_believed_seals_remove() -> None:
    archive = SealedArchive(MemoryStore())
    for _ in range(3):
        archive.append()
    known = archive.seals.read(2)
    assert removed_since(archive.seals, known, _POLICY) == set()
    archive.compact(data_name(1), data_name(2))
    archive.append()
    file = archive.file()
    commit = Commit(kind=SealKind.COMPACT, added=(file,), removed=(data_name(3),))
    archive.commit(commit, signer=Signer(66, "archiver"))
    archive.append()

    assert removed_since(archive.seals, known, _POLICY) == {data_name(1), data_name(2)}


def test_other_history_says_nothing() -> None:
    archive, other = SealedArchive(MemoryStore()), SealedArchive(MemoryStore())
    archive.append()
    for _ in range(2):
        other.append(rows=3)
    other.compact(data_name(1), data_name(2))

    assert removed_since(other.seals, archive.seals.read(0), _POLICY) == set()
