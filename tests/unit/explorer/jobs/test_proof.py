from __future__ import annotations

import pytest

from telemetry.explorer.jobs.job_progress import JobProgress
from telemetry.explorer.jobs.proof import ProofWork
from telemetry.format.proof.inclusion import verify_proof
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.trust import TrustPolicy
from tests.support.written_trail import Signer
from tests.unit.explorer.jobs.conftest import SignedTrail

ABSENT = "0198c0de-0000-7000-8000-000000000000"


@pytest.mark.parametrize("number", [0, 7, 29])
def test_proof_leads_from_record_to_signature(trail: SignedTrail, number: int) -> None:
    event_id = trail.ids[number]

    outcome = ProofWork(trail.source, event_id, policy=trail.policy).run(JobProgress())

    proof = outcome.proof
    assert proof is not None, outcome.reason
    assert proof.record["id"] == event_id
    assert proof.path[-1].node.hex() == proof.checkpoint["root"]
    assert proof.believed[0].accepted
    verify_proof(proof.file, [PublicKey.parse(trail.public_key)])
    assert outcome.weight > len(proof.file)


def test_event_of_untrusted_key_is_not_proven(trail: SignedTrail) -> None:
    other = TrustPolicy.of_keys([Signer(9).public])

    outcome = ProofWork(trail.source, trail.ids[0], policy=other).run(JobProgress())

    assert outcome.proof is None
    assert outcome.reason
    assert not outcome.is_altered


def test_absent_event_is_named(trail: SignedTrail) -> None:
    outcome = ProofWork(trail.source, ABSENT, policy=trail.policy).run(JobProgress())

    assert ABSENT in outcome.reason
    assert outcome.weight == 0
