"""Tells a page how far a job is, and ends the job where its owner asked for that."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

MAX_STEPS = 100
"""Steps of one job that are kept; the first ones give way."""


class StoppedJob(Exception):  # noqa: N818 - it ends a job that is no longer wanted, and is no fault
    """The job was asked to stop."""


class JobStep:
    """One step of a job; the thread of the job counts, and others look.

    Args:
        label: What is done.
        total: How many there are; None if it is not known yet.
        stopping: Set when the job is to stop.

    Attributes:
        label: The same.
        total: The same; it is learned later where it was not known.
        done: How many are done.
        is_over: Whether the step is over.
    """

    def __init__(self, label: str, *, total: int | None, stopping: threading.Event) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self.is_over = False
        self._stopping = stopping

    def expect(self, records: int) -> None:
        """Say how many there are."""
        self.total = records

    def advance(self, count: int = 1) -> None:
        """Count what was done.

        Raises:
            StoppedJob: The job is to stop.
        """
        self.done += count
        if self._stopping.is_set():
            raise StoppedJob

    @property
    def percent(self) -> int | None:
        """How much of it is done, 0 to 100; None where nobody knows how much there is."""
        if self.is_over:
            return 100
        # What arrives while a topic is read comes on top of what was expected.
        return min(99, self.done * 100 // self.total) if self.total else None

    def end(self) -> None:
        """Say that the step is over."""
        self.is_over = True


class JobProgress:
    """The steps of one job, as :class:`telemetry.trail.progress.ProgressDisplay` has them.

    A job that reads stops at its next record. One that waits for a topic or a store stops when that answers, or gives up.
    """

    def __init__(self) -> None:
        self._steps: list[JobStep] = []
        self._stopping = threading.Event()

    @property
    def steps(self) -> tuple[JobStep, ...]:
        """The steps so far, the present one last."""
        return tuple(self._steps)

    @property
    def is_stopping(self) -> bool:
        """Whether the job was asked to stop."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Ask the job to stop; any thread may."""
        self._stopping.set()

    def require_wanted(self) -> None:
        """Check that the job is still wanted.

        Raises:
            StoppedJob: It is to stop.
        """
        if self._stopping.is_set():
            raise StoppedJob

    @contextmanager
    def step(self, label: str, *, total: int | None = None) -> Iterator[JobStep]:
        """Count a step while it is being done.

        Args:
            label: What is done.
            total: How many there are; None if it is not known yet.
        """
        self.require_wanted()
        step = JobStep(label, total=total, stopping=self._stopping)
        # A new list each time: a page may be going through the old one.
        self._steps = [*self._steps[1 - MAX_STEPS :], step]
        try:
            yield step
        finally:
            step.end()
