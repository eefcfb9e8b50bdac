from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from telemetry.reader.entry import RawRecord
from telemetry.reader.roster.history import RosterHistory
from telemetry.reader.trust import Role, TrustedKey, TrustPolicy
from telemetry.reader.verify.verdicts import Verdict, VerificationReport
from telemetry.reader.verify.verifier import Verifier
from telemetry.reader.verify.witnessed.witnessed_trail import WitnessedTrail
from tests.support.rosters import WITNESS, Witnessing, read_up_to, stream
from tests.support.written_trail import START, TOPIC, Process, Signer, topic

NOW = START + timedelta(minutes=30)
OURS = Signer()


def _verify(
    records: Sequence[RawRecord],
    *witnesses: Witnessing,
    policy: TrustPolicy | None = None,
    low: int = 0,
    high: int | None = None,
    now: datetime | None = NOW,
    **options: Any,
) -> VerificationReport:
    trusted = policy or TrustPolicy.of_keys([OURS.public])
    histories = [RosterHistory.read(each.documents, each.signer.public) for each in witnesses]
    verifier = Verifier(trusted, witnessed=WitnessedTrail(histories, policy=trusted, **options))
    verifier.observe_all(records)
    verifier.note_bounds(TOPIC, 0, low=low, high=len(records) if high is None else high)
    return verifier.report(now=now)


def _witnessed(process: Process, *, offset: int, **changes: Any) -> Witnessing:
    log = Witnessing()
    log.sign(replace(stream(process, offset=offset, is_closed=True), **changes), read_up_to(offset + 1))
    return log


def _reasons(report: VerificationReport) -> str:
    findings = [*report.findings, *(finding for each in report.producers for finding in each.findings)]
    return " | ".join(f"{finding.verdict}: {finding.reason}" for finding in findings)


def test_trail_as_the_witness_saw_it_is_complete() -> None:
    process = Process(leaves=True)
    records = topic(process.run(25))

    report = _verify(records, _witnessed(process, offset=27))

    assert _reasons(report) == ""
    assert any("witness" in note for note in report.notes)


def test_absent_stream_is_missing_unless_retention_removed_it() -> None:
    kept, gone = Process(1, leaves=True), Process(2, leaves=True)
    gone.run(5)
    log = Witnessing()
    log.sign(stream(gone, offset=3))
    records = topic(kept.run(5))

    deleted, expired = _verify(records, log), _verify(records, log, low=4)

    assert deleted.verdict is Verdict.MISSING
    assert gone.producer in _reasons(deleted)
    assert _reasons(expired) == ""
    assert any("retention" in note for note in expired.notes)


@pytest.mark.parametrize(("days", "is_missing"), [(7, True), (0, False)])
def test_young_stream_before_the_first_offset_was_deleted(days: int, is_missing: bool) -> None:
    gone = Process(2)
    gone.run(5)
    log = Witnessing()
    log.sign(stream(gone, offset=3))

    report = _verify(topic(Process(1).run(5)), log, low=4, retention=timedelta(days=days))

    assert ("witness" in _reasons(report)) is is_missing


def test_other_root_of_one_size_is_tampered() -> None:
    honest, rewritten = Process(leaves=True), Process(leaves=True)
    honest.run(5)
    records = topic([*[rewritten.log("mallory") for _ in range(5)], rewritten.checkpoint(final=True)])

    report = _verify(records, _witnessed(honest, offset=5))

    assert report.exit_code == 3
    assert "two histories" in _reasons(report)


def test_cut_off_end_is_missing() -> None:
    process = Process(leaves=True)
    records = topic(process.run(30))

    report = _verify(records[:11], _witnessed(process, offset=32), high=40)

    assert "saw 30 signed records" in _reasons(report)


@pytest.mark.parametrize(("is_rewritten", "code"), [(False, 0), (True, 3)])
def test_size_inside_an_interval_is_proven_by_its_leaves(is_rewritten: bool, code: int) -> None:
    process, shown = Process(leaves=True), Process(leaves=True)
    for _ in range(4):
        process.log()
    log = _witnessed(process, offset=4)
    users = ["mallory" if is_rewritten else "alice"] * 4
    records = topic([*map(shown.log, users), *[shown.log() for _ in range(6)], shown.checkpoint(final=True)])

    report = _verify(records, log)

    assert report.exit_code == code


def test_absent_checkpoint_of_version_1_is_missing() -> None:
    process = Process()
    for _ in range(4):
        process.log()
    log = _witnessed(process, offset=4)
    again = Process()
    records = topic([*[again.log() for _ in range(9)], again.checkpoint(final=True)])

    report = _verify(records, log)

    assert report.verdict is Verdict.MISSING
    assert "checkpoint of 4 records" in _reasons(report)


def test_topic_shorter_than_the_witness_read_it() -> None:
    process = Process(leaves=True)
    records = topic(process.run(5))
    log = Witnessing()
    log.sign(stream(process, offset=5), read_up_to(9))

    report = _verify(records, log)

    assert report.verdict is Verdict.MISSING
    assert "read it up to 9" in _reasons(report)


def test_partition_that_is_gone_is_missing() -> None:
    process = Process(leaves=True)
    log = Witnessing()
    log.sign(read_up_to(3, partition=7))

    assert "ends at offset 0" in _reasons(_verify(topic(process.run(5)), log))


@pytest.mark.parametrize(
    ("now", "is_fine"),
    [(START + timedelta(hours=1), True), (START + timedelta(hours=2), False), (START - timedelta(hours=1), False)],
    ids=["fresh", "old", "ahead"],
)
def test_age_of_the_newest_roster_counts(now: datetime, is_fine: bool) -> None:
    process = Process(leaves=True)
    records = topic(process.run(5))

    report = _verify(records, _witnessed(process, offset=5), now=now)

    assert ("newest roster" not in _reasons(report)) is is_fine


def test_witness_without_a_roster_proves_nothing() -> None:
    report = _verify(topic(Process(leaves=True).run(5)), Witnessing())

    assert report.verdict is Verdict.UNVERIFIABLE
    assert "no roster" in _reasons(report)


def test_rosters_of_a_stranger_are_none() -> None:
    process = Process(leaves=True)
    records = topic(process.run(5))
    stranger = Witnessing(Signer(8, "witness"))
    stranger.sign(stream(process))
    history = RosterHistory.read(stranger.documents, WITNESS.public)
    policy = TrustPolicy.of_keys([OURS.public])
    verifier = Verifier(policy, witnessed=WitnessedTrail([history], policy=policy))
    verifier.observe_all(records)

    assert verifier.report(now=NOW).verdict is Verdict.UNVERIFIABLE


def test_each_required_witness_counts() -> None:
    process = Process(leaves=True)
    records = topic(process.run(5))
    other = Witnessing(Signer(9, "other"))
    gone = Process(2)
    gone.run(3)
    other.sign(stream(gone))

    assert _verify(records, _witnessed(process, offset=5)).exit_code == 0
    assert gone.producer in _reasons(_verify(records, _witnessed(process, offset=5), other))


def test_second_history_of_the_witness_is_tampered() -> None:
    process = Process(leaves=True)
    records = topic(process.run(5))
    log, other = _witnessed(process, offset=5), Witnessing()
    other.sign(read_up_to(1))
    log.rosters += other.rosters

    assert _verify(records, log).exit_code == 3


def test_gap_in_the_log_is_unverifiable() -> None:
    process = Process(leaves=True)
    records = topic(process.run(5))
    log = Witnessing()
    for _ in range(3):
        log.sign(stream(process, offset=5), read_up_to(6))
    del log.rosters[1]

    assert _verify(records, log).verdict is Verdict.UNVERIFIABLE


def test_topic_that_the_witness_never_read_is_unverifiable() -> None:
    process = Process(leaves=True)
    log = Witnessing()
    log.sign("range audit-staging 0 0 0 5")

    assert "never read the topic audit-events" in _reasons(_verify(topic(process.run(5)), log))


def test_streams_of_keys_that_are_not_trusted_here_are_not_expected() -> None:
    process, orders = Process(leaves=True), Process(2, signer=Signer(5, "orders"), service="orders")
    records = topic(process.run(5))
    log = Witnessing()
    log.sign(stream(process, offset=5), stream(orders, offset=9))

    assert _verify(records, log).exit_code == 0


def _policy(*roles: Role, revoked_from: datetime | None = None) -> TrustPolicy:
    ours = TrustedKey(
        public=OURS.public, roles=frozenset({Role.SERVICE}), sources=("/production/*",), revoked_from=revoked_from
    )
    witness = TrustedKey(public=WITNESS.public, roles=frozenset(roles), sources=())
    return TrustPolicy((ours, witness))


@pytest.mark.parametrize(("role", "is_believed"), [(Role.WITNESS, True), (Role.AUDITOR, False)])
def test_trust_file_must_give_the_role(role: Role, is_believed: bool) -> None:
    process = Process(leaves=True)
    records = topic(process.run(5))

    report = _verify(records, _witnessed(process, offset=5), policy=_policy(role))

    assert ("is not believed" not in _reasons(report)) is is_believed


def test_roster_says_when_a_revoked_key_had_signed() -> None:
    """The stream was rostered before its key was revoked; a forged one with an older date was not."""
    process, forged = Process(1, leaves=True), Process(2, leaves=True)
    records = topic([*process.run(5), *forged.run(5)])
    log = _witnessed(process, offset=5)
    revoked = START + timedelta(minutes=10)

    report = _verify(records, log, policy=_policy(Role.WITNESS, revoked_from=revoked), now=NOW)

    assert "by the roster time" in str(report.producer(process.producer).believed)
    assert "self-asserted" in str(report.producer(forged.producer).believed)


def test_stream_that_was_rostered_after_the_end_is_refused() -> None:
    process = Process(leaves=True)
    records = topic(process.run(5))
    revoked = START + timedelta(minutes=1)

    report = _verify(records, _witnessed(process, offset=5), policy=_policy(Role.WITNESS, revoked_from=revoked))

    assert report.total("proven") == 0


def test_report_may_be_asked_for_twice() -> None:
    kept, gone = Process(1, leaves=True), Process(2)
    gone.run(2)
    log = Witnessing()
    log.sign(stream(gone, offset=1), stream(kept))
    policy = TrustPolicy.of_keys([OURS.public])
    verifier = Verifier(
        policy, witnessed=WitnessedTrail([RosterHistory.read(log.documents, WITNESS.public)], policy=policy)
    )
    verifier.observe_all(topic(kept.run(5)))
    verifier.note_bounds(TOPIC, 0, low=2, high=9)

    first, second = (verifier.report(now=datetime.now(UTC)) for _ in range(2))

    assert first.notes == second.notes
    assert first.findings == second.findings


MARKETING = Signer(2, "marketing")


def _of_two_services(*, revoked_from: datetime | None = None) -> TrustPolicy:
    roles = frozenset({Role.SERVICE})
    return TrustPolicy(
        (
            TrustedKey(public=OURS.public, roles=roles, sources=("/production/payments",), revoked_from=revoked_from),
            TrustedKey(public=MARKETING.public, roles=roles, sources=("/production/marketing",)),
        )
    )


def _rival() -> Process:
    """Return a process of marketing under the producer id of payments' process."""
    return Process(leaves=True, service="marketing", signer=MARKETING)


@pytest.mark.parametrize("is_there", [True, False])
def test_witness_of_another_service_blames_no_stream(is_there: bool) -> None:
    true, rival = Process(leaves=True), _rival()
    rival_life = rival.run(9)
    log = _witnessed(rival, offset=9)
    records = topic([*true.run(5), *(rival_life if is_there else ())])

    report = _verify(records, log, policy=_of_two_services(), high=30)

    payments = next(each for each in report.producers if each.source == true.source)
    assert (payments.verdict, payments.findings) == (Verdict.COMPLETE, ())
    assert ("the whole stream is absent" in _reasons(report)) is not is_there


@pytest.mark.parametrize("rival_first", [True, False])
@pytest.mark.parametrize(
    ("kept", "users", "reason"),
    [(0, "alice", "the whole stream is absent"), (10, "alice", "saw 30 signed"), (30, "mallory", "two histories")],
    ids=["deleted", "cut off", "rewritten"],
)
def test_rostered_rival_hides_no_loss(kept: int, users: str, reason: str, rival_first: bool) -> None:
    true, rival = Process(leaves=True), _rival()
    shown = Process(leaves=True)
    rival_life = rival.run(40)
    true.run(30)
    log = Witnessing()
    for process in (rival, true) if rival_first else (true, rival):
        log.sign(stream(process, offset=20))
    events = [shown.log(users) for _ in range(kept)]
    records = topic([*rival_life, *([*events, shown.checkpoint(final=True)] if kept else ())])

    report = _verify(records, log, policy=_of_two_services(), high=99)

    assert reason in _reasons(report)
    assert next(each for each in report.producers if each.source == rival.source).findings == ()


def test_roster_of_a_rival_says_nothing_of_when() -> None:
    """Payments' key was revoked; marketing's stream of the same producer id was rostered before, and is longer."""
    true, rival = Process(leaves=True), _rival()
    rival.run(20)
    log = Witnessing()
    log.sign(stream(rival))
    revoked = START + timedelta(minutes=10)

    report = _verify(topic(true.run(5)), log, policy=_of_two_services(revoked_from=revoked))

    payments = next(each for each in report.producers if each.producer == true.producer)
    assert "self-asserted" in str(payments.believed)
