from __future__ import annotations

import pytest

from telemetry.exceptions import IncompleteError
from telemetry.explorer.jobs.job_progress import JobProgress
from telemetry.explorer.jobs.life_line import LifeLineWork
from telemetry.trail.life_steps import Standing
from tests.unit.explorer.jobs.conftest import SignedTrail
from tests.unit.explorer.jobs.test_proof import ABSENT


def test_life_line_ends_with_the_signature(trail: SignedTrail) -> None:
    lines = LifeLineWork(trail.source, trail.ids[3], policy=trail.policy).run(JobProgress())

    (life,) = lines.lives
    assert [step.title for step in life[:2]] == ["called", "sealed"]
    assert life[-1].standing is Standing.FINE
    assert life[-1].title.startswith("signed")
    assert lines.records >= 30
    assert lines.weight > 0
    # The Kafka key of this trail is the user in the clear.
    assert not [step for step in life if "user-3" in str(step.facts)]


def test_life_line_without_trust_proves_nothing(trail: SignedTrail) -> None:
    lines = LifeLineWork(trail.source, trail.ids[3], policy=None).run(JobProgress())

    assert lines.lives[0][-1].facts["proof"].startswith("not checked")


def test_life_line_of_absent_event_fails(trail: SignedTrail) -> None:
    with pytest.raises(IncompleteError, match=ABSENT):
        LifeLineWork(trail.source, ABSENT, policy=trail.policy).run(JobProgress())
