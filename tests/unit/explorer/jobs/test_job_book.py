from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from telemetry.exceptions import BackpressureError
from telemetry.explorer.jobs.job import Job, JobState
from telemetry.explorer.jobs.job_book import AT_ONCE, MAX_KEPT, MAX_OPEN, MAX_OPEN_OF_ONE, JobBook
from tests.support.until import until
from tests.unit.explorer.jobs.works import GatedWork, Parcel, done_work, entered, person, session


@pytest.fixture
def book() -> Iterator[JobBook]:
    book = JobBook()
    yield book
    book.close()


def ended(job: Job) -> Job:
    until(lambda: job.state.is_final, state=lambda: job.state)
    return job


def test_same_work_is_not_started_twice(book: JobBook) -> None:
    first = book.start(GatedWork("proof"), person=person())

    assert book.start(GatedWork("proof"), person=person()) is first
    assert book.start(GatedWork("proof"), person=person("bob")) is not first


def test_shared_work_is_started_once_for_all(book: JobBook) -> None:
    first = book.start(GatedWork("verification", is_shared=True), person=person())

    assert book.start(GatedWork("verification", is_shared=True), person=person("bob")) is first


def test_ended_work_can_be_started_again(book: JobBook) -> None:
    first = ended(book.start(done_work("proof"), person=person()))

    assert book.start(done_work("proof"), person=person()) is not first


def test_few_jobs_run_at_once(book: JobBook) -> None:
    works = [GatedWork(f"w{number}") for number in range(AT_ONCE + 1)]
    jobs = [book.start(work, person=person()) for work in works]
    for work in works[:AT_ONCE]:
        entered(work)

    assert jobs[-1].state is JobState.WAITING

    works[0].gate.set()
    entered(works[-1])


def test_one_person_cannot_fill_the_book(book: JobBook) -> None:
    for number in range(MAX_OPEN_OF_ONE):
        book.start(GatedWork(f"w{number}"), person=person())

    with pytest.raises(BackpressureError, match="of yours"):
        book.start(GatedWork("more"), person=person())
    assert book.start(GatedWork("w0"), person=person("bob")).number


def test_hundred_jobs_at_once_are_bounded(book: JobBook) -> None:
    def start(number: int) -> Job | None:
        try:
            return book.start(GatedWork(f"w{number}"), person=person(f"person-{number}"))
        except BackpressureError:
            return None

    with ThreadPoolExecutor(16) as pool:
        jobs = [job for job in pool.map(start, range(100)) if job is not None]

    assert len(jobs) == MAX_OPEN
    assert len({job.number for job in jobs}) == MAX_OPEN
    assert sum(job.state is JobState.RUNNING for job in jobs) <= AT_ONCE
    for job in jobs:
        assert job.stop()
    for job in jobs:
        assert ended(job).state is JobState.STOPPED


def test_stop_while_it_ends_leaves_one_state(book: JobBook) -> None:
    for number in range(50):
        work = GatedWork(f"w{number}")
        job = book.start(work, person=person())
        work.gate.set()
        stopped = job.stop()
        state = ended(job).state
        assert state is JobState.DONE or (stopped and state is JobState.STOPPED)
        assert (job.outcome is not None) is (state is JobState.DONE)


def test_foreign_job_is_not_found(book: JobBook) -> None:
    job = book.start(done_work("proof"), person=person("ada"))

    assert book.find(job.number, session=session("ada")) is job
    assert book.find(job.number, session=session("bob")) is None
    assert book.find(job.number + 1, session=session("ada")) is None
    assert book.shown_to(session("bob")) == []


def test_old_jobs_are_forgotten(book: JobBook) -> None:
    for number in range(MAX_KEPT + 3):
        ended(book.start(done_work(f"w{number}"), person=person()))

    jobs = book.shown_to(session())
    assert len(jobs) == MAX_KEPT
    assert jobs[0].number == MAX_KEPT + 3


def test_heavy_outcomes_give_way_to_newer_ones() -> None:
    book = JobBook(max_weight=100)
    first, second, third = (ended(book.start(done_work(f"w{n}", weight=60), person=person())) for n in range(3))
    heavy = ended(book.start(done_work("heavy", weight=1_000), person=person()))

    until(lambda: third.outcome is None)
    assert [job.is_outcome_gone for job in (first, second, third, heavy)] == [True, True, True, False]
    assert book.newest_with(Parcel) is heavy
    book.close()


def test_close_stops_what_runs_and_waits() -> None:
    book = JobBook()
    jobs = [book.start(GatedWork(f"w{number}"), person=person()) for number in range(AT_ONCE + 1)]

    book.close()

    for job in jobs:
        assert ended(job).state is JobState.STOPPED
