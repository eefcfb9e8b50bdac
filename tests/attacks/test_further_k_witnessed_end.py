"""K has a stolen key that is revoked, and ends a stream whose last size a witness saw in time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from telemetry.reader.roster.history import RosterHistory
from telemetry.reader.trust import Role, TrustedKey, TrustPolicy
from telemetry.reader.verify.verifier import Verifier
from telemetry.reader.verify.witnessed.witnessed_trail import WitnessedTrail
from tests.support.rosters import Witnessing, read_up_to, stream
from tests.support.written_trail import START, TOPIC, Process, Signer, topic

STOLEN = Signer()
THEFT = START + timedelta(hours=1)
APPENDED = (THEFT + timedelta(hours=9)).timestamp()
POLICY = TrustPolicy(
    (
        TrustedKey(
            public=STOLEN.public,
            roles=frozenset({Role.SERVICE}),
            sources=("/production/payments",),
            revoked_from=THEFT,
        ),
    )
)


@pytest.mark.parametrize("how", ["final", "recovered"])
def test_end_that_no_witness_saw_is_not_dated_by_its_roster(how: str) -> None:
    process, log = Process(leaves=True), Witnessing()
    cut_off = process.run(4, end=False, every=2)
    log.sign(stream(process, offset=5), read_up_to(6))
    forged = process.checkpoint(final=how == "final", recovered=how == "recovered")
    records = [record._replace(append_time=START.timestamp()) for record in topic([*cut_off, forged])]
    records[-1] = records[-1]._replace(append_time=APPENDED)
    histories = [RosterHistory.read(log.documents, log.signer.public)]
    verifier = Verifier(POLICY, witnessed=WitnessedTrail(histories, policy=POLICY))
    verifier.observe_all(records)
    verifier.note_bounds(TOPIC, 0, low=0, high=len(records))

    report = verifier.report(now=START + timedelta(minutes=10))

    assert not report.producer(process.producer).is_closed
    assert report.producer(process.producer).proven == 4
    assert report.exit_code == 3


def test_end_that_a_witness_saw_is_dated_by_it() -> None:
    process, log = Process(leaves=True), Witnessing()
    records = [record._replace(append_time=APPENDED) for record in topic(process.run(4, every=2))]
    log.sign(stream(process, offset=6, is_closed=True), read_up_to(7))
    histories = [RosterHistory.read(log.documents, log.signer.public)]
    verifier = Verifier(POLICY, witnessed=WitnessedTrail(histories, policy=POLICY))
    verifier.observe_all(records)
    verifier.note_bounds(TOPIC, 0, low=0, high=len(records))

    report = verifier.report(now=START + timedelta(minutes=10))

    assert report.producer(process.producer).is_closed
    assert report.exit_code == 0
