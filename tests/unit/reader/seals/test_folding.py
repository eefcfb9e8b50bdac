"""The live files follow from the last list and the seals since then; with a policy, only from believed ones."""

from __future__ import annotations

import pytest

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.archive.seal import Commit, SealKind
from telemetry.format.archive.seal_note import seal_name
from telemetry.reader.seals.folding import fold
from telemetry.reader.seals.trust import own_policy
from tests.support.memory_store import MemoryStore
from tests.support.sealed_archive import ARCHIVER, SOURCE, SealedArchive, data_name
from tests.support.written_trail import Signer

_POLICY = own_policy(ARCHIVER.public, source=SOURCE)


def _archive(commits: int) -> SealedArchive:
    archive = SealedArchive(MemoryStore())
    for _ in range(commits):
        archive.append()
    return archive


@pytest.mark.parametrize("commits", [1, 5, 64, 65, 70, 130])
def test_fold_is_the_state_of_the_writer(commits: int) -> None:
    archive = _archive(commits)
    archive.compact(*{data_name(1), data_name(commits)})

    state = fold(archive.seals, policy=_POLICY)

    assert state is not None
    assert archive.state is not None
    assert (state.seal, state.digest) == (archive.state.seal, archive.state.digest)
    assert state.live.files() == archive.state.live.files()
    assert state.live.rows == 10 * commits


def test_fold_reads_back_to_the_list_only() -> None:
    archive = _archive(140)
    assert isinstance(archive.store, MemoryStore)
    asked: set[str] = set()
    archive.store.before = lambda operation, name: asked.add(name) if operation == "get" else None

    fold(archive.seals, number=139, policy=_POLICY)

    assert asked == {seal_name(number) for number in range(128, 140)}


def test_fold_of_an_earlier_seal() -> None:
    state = fold(_archive(10).seals, number=4)

    assert state is not None
    assert (state.seal.number, len(state.live)) == (4, 5)


def test_no_seal_no_state() -> None:
    assert fold(SealedArchive(MemoryStore()).seals) is None


def test_foreign_seal_at_the_end_is_refused() -> None:
    archive = _archive(3)
    archive.commit(Commit(kind=SealKind.APPEND, added=(archive.file(),)), signer=Signer(66, "archiver"))

    with pytest.raises(TamperedError, match="the seal 3 is not believed: no trusted key signed it"):
        fold(archive.seals, policy=_POLICY)
    assert fold(archive.seals) is not None, "nothing is believed without a policy"


def test_key_of_another_source_is_refused() -> None:
    policy = own_policy(ARCHIVER.public, source="/other/telemetry-archiver")

    with pytest.raises(TamperedError, match="may not sign for /test/telemetry-archiver"):
        fold(_archive(1).seals, policy=policy)


def test_absent_seal_is_refused() -> None:
    archive = _archive(8)
    assert isinstance(archive.store, MemoryStore)
    del archive.store.objects[seal_name(4)]

    with pytest.raises(TamperedError, match=r"00000004\.seal is absent"):
        fold(archive.seals, number=7)


def test_exchanged_seal_breaks_the_chain() -> None:
    archive, other = _archive(8), _archive(0)
    for _ in range(8):
        other.append(rows=7)
    assert isinstance(archive.store, MemoryStore)
    archive.store.objects[seal_name(4)] = other.seals.read(4).data

    with pytest.raises(TamperedError, match="seal 4 names another predecessor"):
        fold(archive.seals)


def test_rubbish_is_refused() -> None:
    archive = _archive(8)
    assert isinstance(archive.store, MemoryStore)
    archive.store.objects[seal_name(7)] = b"rubbish"

    with pytest.raises(FormatError, match=r"00000007\.seal cannot be read"):
        fold(archive.seals)
