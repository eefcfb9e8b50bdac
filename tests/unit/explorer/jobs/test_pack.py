from __future__ import annotations

from io import BytesIO

import pytest

from telemetry.config import SigningConfig
from telemetry.evidence import EvidenceRequest, Sample, sample_ids, verify_pack
from telemetry.exceptions import ConfigurationError
from telemetry.explorer.access.session import Session
from telemetry.explorer.jobs import pack as packs
from telemetry.explorer.jobs.basket import Basket, Drawing
from telemetry.explorer.jobs.job_progress import JobProgress
from telemetry.explorer.jobs.pack import BuiltPack, PackWork, request_of
from telemetry.reader import EventFilter
from telemetry.reader.trust import TrustPolicy
from tests.unit.explorer.jobs.conftest import SignedTrail
from tests.unit.explorer.jobs.works import session

ALL = EventFilter(types=("work",))


@pytest.fixture
def reader() -> Session:
    reader = session()
    reader.open_content("INC-77")
    return reader


def built(trail: SignedTrail, request: EvidenceRequest, signing: SigningConfig, policy: TrustPolicy) -> BuiltPack:
    return PackWork(trail.source, request, policy=policy, signing=signing).run(JobProgress())


@pytest.mark.parametrize("content", [True, False])
def test_pack_of_a_basket_verifies(
    *, trail: SignedTrail, signing: SigningConfig, policy: TrustPolicy, reader: Session, content: bool
) -> None:
    basket = Basket()
    basket.add(trail.ids[3:8])

    pack = built(trail, request_of(basket, session=reader, source=trail.source, content=content), signing, policy)

    assert pack.summary.events == pack.summary.proven == 5
    report = verify_pack(BytesIO(pack.data), policy=policy)
    assert report.exit_code == 0, report
    assert pack.weight == len(pack.data)
    assert pack.name.startswith("evidence-2")
    assert "ada" not in pack.name


def test_sample_is_drawn_again_from_the_trail(
    trail: SignedTrail, signing: SigningConfig, policy: TrustPolicy, reader: Session
) -> None:
    sample = Sample.fresh(4)
    drawn = sample_ids(trail.ids, sample)
    basket = Basket()
    basket.add(drawn, conditions={}, drawing=Drawing(sample=sample, population=len(trail.ids), wanted=ALL))

    request = request_of(basket, session=reader, source=trail.source, content=True)
    pack = built(trail, request, signing, policy)

    assert request.sample == sample
    assert not request.ids
    assert pack.summary.seed == sample.seed
    assert pack.summary.population == len(trail.ids)
    assert verify_pack(BytesIO(pack.data), policy=policy).exit_code == 0


def test_sealed_pack_of_a_content_sample_names_its_events(trail: SignedTrail, reader: Session) -> None:
    basket = Basket()
    wanted = EventFilter(users=frozenset({"user-1"}))
    basket.add(trail.ids[:2], conditions={}, drawing=Drawing(sample=Sample.fresh(2), population=6, wanted=wanted))

    request = request_of(basket, session=reader, source=trail.source, content=False)

    assert request.ids == trail.ids[:2]
    assert request.sample is None


def test_empty_basket_makes_no_pack(trail: SignedTrail, reader: Session) -> None:
    with pytest.raises(ConfigurationError, match="is empty"):
        request_of(Basket(), session=reader, source=trail.source, content=True)


def test_pack_beyond_its_bound_is_refused(
    trail: SignedTrail,
    signing: SigningConfig,
    policy: TrustPolicy,
    reader: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packs, "MAX_PACK_BYTES", 1_000)
    basket = Basket()
    basket.add(trail.ids[:1])

    with pytest.raises(ConfigurationError, match="larger than"):
        built(trail, request_of(basket, session=reader, source=trail.source, content=True), signing, policy)
