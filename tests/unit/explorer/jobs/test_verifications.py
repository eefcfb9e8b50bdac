from __future__ import annotations

from collections.abc import Iterator

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.explorer.jobs.job_book import JobBook
from telemetry.explorer.jobs.verification import VerificationRun
from telemetry.explorer.jobs.verifications import Verifications
from telemetry.reader.trust import TrustPolicy
from tests.support.until import until
from tests.unit.explorer.jobs.conftest import SignedTrail
from tests.unit.explorer.jobs.works import person, session


@pytest.fixture
def book() -> Iterator[JobBook]:
    book = JobBook()
    yield book
    book.close()


@pytest.mark.parametrize("policy", [None, TrustPolicy(())])
def test_without_trust_it_says_what_is_missing(trail: SignedTrail, book: JobBook, policy: TrustPolicy | None) -> None:
    runs = Verifications(book, trail.source, policy)

    assert not runs.can_verify
    with pytest.raises(ConfigurationError, match="--trust"):
        runs.start(person())


@pytest.mark.parametrize("seconds", [-1.0, 86_401.0, float("nan"), float("inf")])
def test_odd_number_of_seconds_is_refused(trail: SignedTrail, book: JobBook, seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="86400"):
        Verifications(book, trail.source, trail.policy).start(person(), open_seconds=seconds)


def test_last_run_is_remembered_and_continued(trail: SignedTrail, book: JobBook) -> None:
    runs = Verifications(book, trail.source, trail.policy)
    assert runs.last() is None
    assert not runs.can_continue

    first = runs.start(person(), only_new=True)
    until(lambda: first.state.is_final, state=lambda: first.error)
    second = runs.start(person("bob"), only_new=True)
    until(lambda: second.state.is_final, state=lambda: second.error)

    assert runs.last() is second
    assert runs.can_continue
    assert [job.number for job in runs.runs(session("carol"))] == [2, 1]
    assert isinstance(first.outcome, VerificationRun)
    assert isinstance(second.outcome, VerificationRun)
    assert first.outcome.state is not None
    assert second.outcome.report.continued_from == first.outcome.state.digest
