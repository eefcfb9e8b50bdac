"""W kept a genuine stream, and writes it again when retention has removed it: it counts as a process of today."""

from __future__ import annotations

from datetime import timedelta

from telemetry.reader import RawRecord
from telemetry.reader.roster.history import RosterHistory
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.reader.verify.verdicts import VerificationReport
from telemetry.reader.verify.verifier import Verifier
from telemetry.reader.verify.witnessed.witnessed_trail import WitnessedTrail
from tests.support.rosters import Witnessing, read_up_to, stream
from tests.support.written_trail import START, TOPIC, Process, Signer, topic

LOW = 1_000
"""First offset that is left of the topic."""


def shifted(records: list[RawRecord], by: int) -> list[RawRecord]:
    return [record._replace(place=record.place._replace(offset=record.place.offset + by)) for record in records]


def verified(records: list[RawRecord], *, with_witness: bool, low: int = LOW) -> VerificationReport:
    """Verify a trail of whose beginning, with the stream in it, nothing is left; a witness saw it there."""
    policy, log, process = TrustPolicy.of_keys([Signer().public]), Witnessing(), Process(leaves=True)
    process.run(4)
    log.sign(stream(process, offset=4, is_closed=True), read_up_to(5))
    histories = [RosterHistory.read(log.documents, log.signer.public)]
    witnessed = WitnessedTrail(histories, policy=policy) if with_witness else None
    verifier = Verifier(policy, witnessed=witnessed, expected={"/production/payments": 1})
    verifier.observe_all(records)
    verifier.note_bounds(TOPIC, 0, low=low, high=low + len(records))
    return verifier.report(now=START + timedelta(minutes=10))


def test_stream_that_had_expired_is_no_process_of_today() -> None:
    report = verified(shifted(topic(Process(leaves=True).run(4)), LOW), with_witness=True)

    assert report.exit_code == 4
    assert "0 producers of /production/payments are proven" in str(report.findings)
    assert any("written again" in note for note in report.notes)


def test_stream_that_was_appended_long_after_it_was_signed_is_noted() -> None:
    """Without a witness the broker's clock says so; a mirror that was built anew looks the same, so it is a note."""
    appended = (START + timedelta(days=30)).timestamp()
    records = [record._replace(append_time=appended) for record in topic(Process(leaves=True).run(4))]

    report = verified(shifted(records, LOW), with_witness=False)

    assert report.exit_code == 0
    assert any("appended" in note for note in report.notes)


def test_stream_that_is_still_there_counts() -> None:
    """Nobody attacks: the end of the stream is left, and a copy of its last checkpoint is behind it."""
    records = topic(Process(leaves=True).run(4))

    report = verified([*records[2:], *shifted(records[-1:], 5)], with_witness=True, low=2)

    assert "0 producers" not in str(report.findings)
    assert not any("written again" in note for note in report.notes)


def test_run_that_continues_forgets_no_stream() -> None:
    """Nobody attacks: what an earlier run has read is before the first offset of this one."""
    policy, log, process = TrustPolicy.of_keys([Signer().public]), Witnessing(), Process(leaves=True)
    records = topic(process.run(4))
    log.sign(stream(process, offset=4, is_closed=True), read_up_to(5))
    histories = [RosterHistory.read(log.documents, log.signer.public)]
    first = Verifier(policy)
    first.observe_all(records)
    witnessed = WitnessedTrail(histories, policy=policy)
    second = Verifier(policy, state=first.state(), witnessed=witnessed, expected={"/production/payments": 1})
    second.note_bounds(TOPIC, 0, low=5, high=5)

    report = second.report(now=START + timedelta(minutes=10))

    assert report.exit_code == 0
    assert not any("written again" in note for note in report.notes)
