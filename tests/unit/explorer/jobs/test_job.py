from __future__ import annotations

import logging

import pytest

from telemetry.exceptions import TransportError
from telemetry.explorer.access.right import Right
from telemetry.explorer.jobs.job import Job, JobState
from tests.unit.explorer.jobs.works import GatedWork, done_work, person, session


def test_done_job_has_its_outcome() -> None:
    job = Job(1, done_work("w"), person=person())

    job.run()

    assert job.state is JobState.DONE
    assert job.outcome is not None
    assert job.error is None
    assert job.ended_at >= job.asked_at
    assert not job.stop()


def test_known_error_is_shown() -> None:
    job = Job(1, done_work("w", error=TransportError("the topic cannot be read")), person=person())

    job.run()

    assert (job.state, job.error) == (JobState.FAILED, "the topic cannot be read")


def test_unknown_error_shows_no_content(caplog: pytest.LogCaptureFixture) -> None:
    job = Job(1, done_work("w", error=ValueError("alice@example.com")), person=person())

    with caplog.at_level(logging.ERROR):
        job.run()

    assert job.state is JobState.FAILED
    assert "alice" not in (job.error or "") + caplog.text
    assert "ValueError" in caplog.text
    assert "works, line" in caplog.text


def test_waiting_job_stops_without_running() -> None:
    work = GatedWork("w")
    job = Job(1, work, person=person())

    assert job.stop()
    job.run()

    assert job.state is JobState.STOPPED
    assert work.runs == 0


@pytest.mark.parametrize(
    ("shared", "who", "right", "shown"),
    [
        (False, "ada", Right.READ, True),
        (False, "ada", Right.SEALED, False),
        (False, "bob", Right.EXPORT, False),
        (True, "bob", Right.READ, True),
        (True, "bob", Right.SEALED, False),
    ],
)
def test_job_is_shown_by_right_and_owner(*, shared: bool, who: str, right: Right, shown: bool) -> None:
    job = Job(1, GatedWork("w", needs=Right.READ, is_shared=shared), person=person("ada"))

    assert job.is_shown_to(session(who, right=right)) is shown
