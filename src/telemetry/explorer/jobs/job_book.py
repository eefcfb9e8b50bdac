"""Starts jobs, a few at a time, and keeps what became of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from telemetry.exceptions import BackpressureError
from telemetry.explorer.access.person import Person
from telemetry.explorer.access.session import Session
from telemetry.explorer.jobs.job import Job
from telemetry.explorer.jobs.work import Outcome, Work
from telemetry.system.worker_pool import WorkerPool

AT_ONCE = 2
"""Jobs that run at once: each reads the trail and hashes, and pages have to be answered meanwhile."""
MAX_OPEN = 16
"""Jobs that run or wait."""
MAX_OPEN_OF_ONE = 4
"""Those of one person: nobody keeps the others from their turn."""
MAX_KEPT = 50
MAX_WEIGHT = 128 * 1024 * 1024
"""Bytes of all outcomes together; the oldest give way, and their jobs say so."""


class JobBook:
    """The jobs of an explorer; they end with the process.

    The threads of pages start and look up jobs; the threads of the jobs do the work.

    Args:
        max_weight: Bytes that the outcomes may take together.
    """

    def __init__(self, *, max_weight: int = MAX_WEIGHT) -> None:
        self._max_weight = max_weight
        self._jobs: dict[int, Job] = {}
        self._last = 0
        self._changing = threading.Lock()
        self._pool = WorkerPool(AT_ONCE, name="telemetry-explorer-job")

    def start(self, work: Work, *, person: Person) -> Job:
        """Start some work, or return the job that does the same work already and that the person may see.

        Args:
            work: What is to be done.
            person: Who asks for it; the caller has checked the right.

        Raises:
            BackpressureError: Too many jobs run or wait.
        """
        with self._changing:
            going_on = [job for job in self._jobs.values() if not job.state.is_final]
            for job in going_on:
                if job.work.name == work.name and (work.is_shared or job.is_of(person)):
                    return job
            _require_room(going_on, person)
            self._last += 1
            job = self._jobs[self._last] = Job(self._last, work, person=person)
            self._forget_old()
            self._pool.submit(self._run, job)
        return job

    def find(self, number: int, *, session: Session) -> Job | None:
        """Return a job, if there is one of that number and the visitor may see it.

        Args:
            number: Number of the job.
            session: Who looks.
        """
        job = self._jobs.get(number)
        return job if job is not None and job.is_shown_to(session) else None

    def shown_to(self, session: Session) -> list[Job]:
        """Return the jobs that a visitor may see, the newest first.

        Args:
            session: Who looks.
        """
        with self._changing:
            jobs = list(self._jobs.values())
        return [job for job in reversed(jobs) if job.is_shown_to(session)]

    def newest_with(self, kind: type[Outcome]) -> Job | None:
        """Return the newest job that has left an outcome of a kind; None if there is none."""
        with self._changing:
            jobs = list(self._jobs.values())
        return next((job for job in reversed(jobs) if isinstance(job.outcome, kind)), None)

    def close(self) -> None:
        """Ask every job to stop; their threads do not keep the program from ending."""
        with self._changing:
            for job in self._jobs.values():
                job.stop()
            self._pool.close()

    def _run(self, job: Job) -> None:
        job.run()
        with self._changing:
            self._shed_outcomes()

    def _shed_outcomes(self) -> None:
        """Forget the oldest outcomes while all together take too much memory."""
        kept = 0
        for job in reversed(self._jobs.values()):
            if job.outcome is None:
                continue
            kept += job.outcome.weight
            # The newest is kept in any case: somebody waits for it.
            if kept > self._max_weight and kept > job.outcome.weight:
                job.forget_outcome()

    def _forget_old(self) -> None:
        for number in list(self._ended())[: max(0, len(self._jobs) - MAX_KEPT)]:
            del self._jobs[number]

    def _ended(self) -> Iterator[int]:
        return (number for number, job in self._jobs.items() if job.state.is_final)


def _require_room(going_on: list[Job], person: Person) -> None:
    own = sum(job.is_of(person) for job in going_on)
    if own >= MAX_OPEN_OF_ONE:
        message = f"{own} jobs of yours run or wait; start this one when one of them has ended, or stop one"
        raise BackpressureError(message)
    if len(going_on) >= MAX_OPEN:
        message = f"{len(going_on)} jobs of all visitors run or wait; try again when some have ended"
        raise BackpressureError(message)
