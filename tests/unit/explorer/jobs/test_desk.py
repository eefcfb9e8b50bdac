from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from telemetry.config import SigningConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.evidence import EvidenceRequest
from telemetry.exceptions import ConfigurationError
from telemetry.explorer.access.right import Right
from telemetry.explorer.jobs.desk import EvidenceDesk
from telemetry.explorer.jobs.job import JobState
from telemetry.explorer.jobs.life_line import LifeLines
from telemetry.explorer.jobs.pack import BuiltPack
from telemetry.explorer.jobs.proof import ProofOutcome
from telemetry.testing import EmbeddedKafka
from tests.support.until import until
from tests.unit.explorer.jobs.conftest import PASSPHRASE, SignedTrail, signed_trail
from tests.unit.explorer.jobs.works import person, session


@pytest.fixture
def desk(trail: SignedTrail) -> Iterator[EvidenceDesk]:
    key = trail.folder / "desk-auditor"
    if not key.exists():
        SigningKey.create(key, PASSPHRASE, name="auditor")
    signing = SigningConfig(key_path=key, passphrase=SecretStr(PASSPHRASE))
    desk = EvidenceDesk(trail.source, policy=trail.policy, signing=signing)
    yield desk
    desk.close()


def test_event_is_proven_followed_and_packed(trail: SignedTrail, desk: EvidenceDesk) -> None:
    event_id = trail.ids[4]
    jobs = [
        desk.prove(event_id, person=person()),
        desk.follow(event_id, person=person()),
        desk.pack(EvidenceRequest(ids=(event_id,)), person=person()),
    ]

    until(lambda: all(job.state.is_final for job in jobs), state=lambda: [job.error for job in jobs])

    assert [job.state for job in jobs] == [JobState.DONE] * 3, [job.error for job in jobs]
    assert [type(job.outcome) for job in jobs] == [ProofOutcome, LifeLines, BuiltPack]


def test_pack_is_shown_to_exporters_alone(trail: SignedTrail, desk: EvidenceDesk) -> None:
    job = desk.pack(EvidenceRequest(ids=(trail.ids[0],)), person=person())

    assert desk.book.find(job.number, session=session(right=Right.EXPORT)) is job
    assert desk.book.find(job.number, session=session(right=Right.READ)) is None


def test_button_pressed_twice_builds_one_pack(trail: SignedTrail, desk: EvidenceDesk) -> None:
    request = EvidenceRequest(ids=(trail.ids[1],))

    first = desk.pack(request, person=person())
    second = desk.pack(EvidenceRequest(ids=(trail.ids[1],)), person=person())

    assert second is first or first.state.is_final


@pytest.mark.parametrize("odd", ["", "..", "a/b", "0198c0de-0000-7000-8000-00000000000g"])
def test_odd_id_starts_nothing(desk: EvidenceDesk, odd: str) -> None:
    for start in (desk.prove, desk.follow):
        with pytest.raises(ConfigurationError, match="not the id"):
            start(odd, person=person())

    assert desk.book.shown_to(session()) == []


def test_without_trust_or_key_it_says_what_to_give(trail: SignedTrail) -> None:
    untrusting = EvidenceDesk(trail.source, policy=None)
    unsigned = EvidenceDesk(trail.source, policy=trail.policy)

    assert "--trust" in str(untrusting.missing_for_packs)
    assert untrusting.missing_for_proofs is not None
    assert "init-signing" in str(unsigned.missing_for_packs)
    assert unsigned.missing_for_proofs is None
    with pytest.raises(ConfigurationError, match="--trust"):
        untrusting.prove(trail.ids[0], person=person())
    for desk in (untrusting, unsigned):
        with pytest.raises(ConfigurationError, match="is missing"):
            desk.pack(EvidenceRequest(ids=(trail.ids[0],)), person=person())


def test_pack_while_the_topic_is_away_says_so(tmp_path: Path) -> None:
    SigningKey.create(tmp_path / "auditor", PASSPHRASE, name="auditor")
    signing = SigningConfig(key_path=tmp_path / "auditor", passphrase=SecretStr(PASSPHRASE))
    with EmbeddedKafka() as kafka:
        trail = signed_trail(kafka, tmp_path)
    desk = EvidenceDesk(trail.source, policy=trail.policy, signing=signing)

    job = desk.pack(EvidenceRequest(ids=(trail.ids[0],)), person=person())
    until(lambda: job.state.is_final, state=lambda: job.progress.steps)
    desk.close()

    assert job.state is JobState.FAILED
    assert "Kafka" in (job.error or "")
