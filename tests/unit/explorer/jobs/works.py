"""Works that a test starts and ends when it wants to."""

from __future__ import annotations

import threading

from telemetry.explorer.access.person import Person
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.session import Session
from telemetry.explorer.jobs.job_progress import JobProgress
from tests.support.until import PATIENCE


class Parcel:
    """Something that a work leaves behind."""

    def __init__(self, weight: int) -> None:
        self.weight = weight


class GatedWork:
    """Goes on until its gate is opened, or it is stopped."""

    label = "waiting for the test"
    title = "Work of the test"

    def __init__(
        self,
        name: str,
        *,
        needs: Right = Right.SEALED,
        is_shared: bool = False,
        weight: int = 1,
        error: Exception | None = None,
    ) -> None:
        self.name = name
        self.needs = needs
        self.is_shared = is_shared
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.runs = 0
        self._weight = weight
        self._error = error

    def run(self, progress: JobProgress) -> Parcel:
        self.runs += 1
        self.entered.set()
        with progress.step("waiting", total=None) as step:
            while not self.gate.wait(0.01):
                step.advance()
        if self._error is not None:
            raise self._error
        return Parcel(self._weight)


def done_work(name: str, *, weight: int = 1, is_shared: bool = False, error: Exception | None = None) -> GatedWork:
    """Return a work that does not wait."""
    work = GatedWork(name, weight=weight, is_shared=is_shared, error=error)
    work.gate.set()
    return work


def person(subject: str = "ada", *, right: Right = Right.EXPORT) -> Person:
    return Person(subject=subject, name=subject, right=right, how="oidc")


def session(subject: str = "ada", *, right: Right = Right.EXPORT) -> Session:
    return Session(person(subject, right=right))


def entered(work: GatedWork) -> None:
    """Wait until the work has begun."""
    assert work.entered.wait(PATIENCE)
