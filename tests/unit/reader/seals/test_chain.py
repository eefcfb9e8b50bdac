"""What a chain of seals proves, and what is found where it is not whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from telemetry.exceptions import TamperedError
from telemetry.format.archive.seal import Commit, OffsetGap, Redaction, SealedRange, SealKind
from telemetry.format.archive.seal_note import seal_name
from telemetry.format.roster.entries import SealEntry
from telemetry.reader.roster.history import RosterHistory
from telemetry.reader.seals.chain import judge_chain
from telemetry.reader.seals.expected import ExpectedSeal
from telemetry.reader.seals.judgement import ChainJudgement
from telemetry.reader.seals.trust import own_policy
from telemetry.reader.trust.judgement import Role
from telemetry.reader.trust.policy import TrustedKey, TrustPolicy
from tests.support.memory_store import MemoryStore
from tests.support.rosters import WITNESS, Witnessing
from tests.support.sealed_archive import ARCHIVE, ARCHIVER, SOURCE, SealedArchive, data_name
from tests.support.written_trail import START, TOPIC, Signer

_POLICY = own_policy(ARCHIVER.public, source=SOURCE)


def _archive(commits: int) -> SealedArchive:
    archive = SealedArchive(MemoryStore())
    for _ in range(commits):
        archive.append()
    return archive


def _verdicts(judgement: ChainJudgement) -> list[str]:
    return [
        f"{finding.verdict} {finding.place.rpartition('/')[2]} {finding.field}".strip()
        for finding in judgement.findings
    ]


def test_whole_chain_has_no_finding() -> None:
    archive = _archive(70)
    archive.compact(data_name(1), data_name(2))
    redaction = Redaction(request="r-1", count=3, by="dpo", reason="asked")
    commit = Commit(kind=SealKind.REDACT, added=(archive.file(),), removed=(data_name(3),), redacted=(redaction,))
    archive.commit(commit)
    seen: list[tuple[int, int]] = []

    judgement = judge_chain(archive.seals, _POLICY, progress=lambda done, total: seen.append((done, total)))

    assert judgement.findings == ()
    assert judgement.last is not None
    assert archive.state is not None
    assert judgement.live.files() == archive.state.live.files()
    assert (judgement.counts.seals, judgement.counts.redacted, seen[-1]) == (72, 3, (72, 72))
    assert judgement.believed(71)
    assert any("seals that were cut off at the end are not seen" in note for note in judgement.notes)


def test_no_seal_is_a_finding() -> None:
    judgement = judge_chain(_archive(0).seals, _POLICY)

    assert _verdicts(judgement) == ["missing 00000000.seal"]
    assert not judgement.believed(0)


def test_absent_seal_is_named_and_judging_goes_on() -> None:
    archive = _archive(130)
    assert isinstance(archive.store, MemoryStore)
    for number in (0, 70, 71):
        del archive.store.objects[seal_name(number)]

    judgement = judge_chain(archive.seals, _POLICY)

    assert _verdicts(judgement) == ["missing 00000000.seal", "missing 00000070.seal"]
    assert "2 seals are absent" in judgement.findings[1].reason
    assert archive.state is not None
    assert judgement.live.files() == archive.state.live.files(), "seal 128 lists the live files again"


def test_planted_last_name_is_no_hole_of_a_day() -> None:
    archive = _archive(3)
    assert isinstance(archive.store, MemoryStore)
    archive.store.objects[seal_name(99_999_999)] = b"rubbish"

    assert _verdicts(judge_chain(archive.seals, _POLICY)) == ["tampered 99999999.seal", "missing 00000003.seal"]


def test_retention_that_ate_records_is_missing() -> None:
    archive = _archive(1)
    gap = OffsetGap(topic=TOPIC, partition=0, first=10, end=15)
    after = SealedRange(topic=TOPIC, partition=0, first=15, end=16)
    archive.append(rows=1, ranges=(after,), gaps=(gap,))

    judgement = judge_chain(archive.seals, _POLICY)

    assert _verdicts(judgement) == ["missing 00000001.seal offsets"]
    assert judgement.counts.lost == 5


def test_foreign_key_in_a_trusted_chain_is_tampering() -> None:
    archive = _archive(3)
    assert archive.state is not None
    live = archive.state.live.files()
    commit = Commit(kind=SealKind.APPEND, added=(archive.file(),))
    archive.commit(commit, signer=Signer(66, "archiver"))
    archive.commit(Commit(kind=SealKind.APPEND), signer=Signer(66, "archiver"))

    judgement = judge_chain(archive.seals, _POLICY)

    assert _verdicts(judgement) == ["tampered 00000003.seal signature"]
    assert (judgement.believed(2), judgement.believed(3)) == (True, False)
    assert judgement.last is not None
    assert (judgement.last.number, judgement.live.files()) == (2, live), "a planted end does not hide the archive"
    assert any("the seals 3 to 4 are not believed" in note for note in judgement.notes)


def test_chain_of_an_unknown_archiver_is_unverifiable_once() -> None:
    judgement = judge_chain(_archive(100).seals, own_policy(Signer(66).public, source=SOURCE))

    assert _verdicts(judgement) == ["unverifiable 00000000.seal signature"]
    assert "seals 0 to 99 are not believed" in judgement.findings[0].reason
    assert not judgement.believed(5)


def test_bare_key_is_believed() -> None:
    assert judge_chain(_archive(3).seals, TrustPolicy.of_keys([ARCHIVER.public])).findings == ()


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ARCHIVER])
def test_key_of_another_role_is_refused(role: Role) -> None:
    key = TrustedKey(public=ARCHIVER.public, roles=frozenset({role}), sources=("/*/*",))

    judgement = judge_chain(_archive(2).seals, TrustPolicy((key,)))

    assert _verdicts(judgement) == ["unverifiable 00000000.seal signature"]
    assert "only the role archiver may sign this" in judgement.findings[0].reason


def test_key_that_ended_in_the_middle() -> None:
    ends = START + timedelta(minutes=12)
    key = TrustedKey(
        public=ARCHIVER.public, roles=frozenset({Role.ARCHIVER}), sources=("/*/*",), not_after=ends.replace(tzinfo=UTC)
    )

    judgement = judge_chain(_archive(5).seals, TrustPolicy((key,)))

    assert _verdicts(judgement) == ["tampered 00000002.seal signature"]
    assert "seals 2 to 4" in judgement.findings[0].reason


def test_witness_gives_the_time_that_a_stolen_key_denies() -> None:
    archive = _archive(3)
    seen_late = _history(archive, 2, at=START + timedelta(days=30))
    key = TrustedKey(
        public=ARCHIVER.public,
        roles=frozenset({Role.ARCHIVER}),
        sources=("/*/*",),
        not_after=START + timedelta(days=1),
    )

    assert judge_chain(archive.seals, TrustPolicy((key,))).findings == (), "its own time is inside the dates"
    judgement = judge_chain(archive.seals, TrustPolicy((key,)), histories=[seen_late])
    assert _verdicts(judgement) == ["unverifiable 00000000.seal signature"]


def test_time_that_runs_back_is_named() -> None:
    archive = _archive(3)
    archive.clock -= timedelta(hours=1)
    archive.append()

    assert _verdicts(judge_chain(archive.seals, _POLICY)) == ["unverifiable 00000003.seal time"]


def test_end_that_was_cut_off_is_seen_from_outside() -> None:
    archive = _archive(5)
    assert isinstance(archive.store, MemoryStore)
    history, digest = _history(archive, 4), archive.seals.read(4).digest
    assert judge_chain(archive.seals, _POLICY, histories=[history], expected=[ExpectedSeal(4, digest)]).findings == ()
    del archive.store.objects[seal_name(4)]

    assert judge_chain(archive.seals, _POLICY).findings == (), "the archive alone does not show it"
    judgement = judge_chain(archive.seals, _POLICY, histories=[history], expected=[ExpectedSeal(4)])
    assert _verdicts(judgement) == ["missing 00000004.seal"] * 2


def test_second_history_is_seen_from_outside() -> None:
    archive, other = _archive(5), SealedArchive(MemoryStore())
    for _ in range(6):
        other.append(rows=3)

    judgement = judge_chain(
        other.seals, _POLICY, histories=[_history(archive, 4)], expected=[ExpectedSeal(1, "ab" * 32)]
    )

    assert _verdicts(judgement) == ["tampered 00000001.seal digest", "tampered 00000004.seal digest"]


def test_witness_of_another_archive_is_named() -> None:
    archive = _archive(1)
    history = _history(archive, 0, archive_id="018f3b1c-0000-7000-8000-00000000ffff")

    assert _verdicts(judge_chain(archive.seals, _POLICY, histories=[history])) == ["unverifiable  roster"]


def test_judging_continues_after_a_seal_that_was_judged() -> None:
    archive = _archive(200)
    assert isinstance(archive.store, MemoryStore)
    since = ExpectedSeal(150, archive.seals.read(150).digest)
    archive.append()
    read: set[str] = set()
    archive.store.before = lambda operation, name: read.add(name) if operation == "get" else None

    judgement = judge_chain(archive.seals, _POLICY, since=since)

    assert judgement.findings == ()
    assert archive.state is not None
    assert judgement.live.files() == archive.state.live.files()
    assert judgement.counts.seals == 50
    assert judge_chain(archive.seals, _POLICY, since=ExpectedSeal(200)).believed(200)
    assert read == {seal_name(number) for number in range(128, 201)}
    archive.store.before = lambda _operation, _name: None
    with pytest.raises(TamperedError, match="is not the seal that was judged before"):
        judge_chain(archive.seals, _POLICY, since=ExpectedSeal(150, "ab" * 32))
    del archive.store.objects[seal_name(151)]
    assert _verdicts(judge_chain(archive.seals, _POLICY, since=since)) == ["missing 00000151.seal"]


def _history(
    archive: SealedArchive, number: int, *, at: datetime | None = None, archive_id: str = ARCHIVE
) -> RosterHistory:
    witnessing = Witnessing()
    witnessing.clock = at or archive.clock
    stored = archive.seals.read(number)
    signer = archive.signer.public.key_id.hex()
    witnessing.sign(SealEntry(archive=archive_id, number=number, digest=stored.digest, signer=signer))
    return RosterHistory.read(witnessing.documents, WITNESS.public)
