"""Defines what a job does, and what it leaves behind."""

from __future__ import annotations

from typing import Protocol

from telemetry.explorer.access.right import Right
from telemetry.explorer.jobs.job_progress import JobProgress


class Outcome(Protocol):
    """What a job found or built. It is kept in memory until newer ones need the room."""

    @property
    def weight(self) -> int:
        """Bytes that it takes in memory, about."""


class Work(Protocol):
    """Something that takes longer than a page may take.

    Attributes:
        name: Names the work: the same work is not started again while it goes on.
        label: Says what is done, for the page; it has nothing of an event's content.
        title: Names what it leads to, for the page.
        needs: Right that a person must have to see it and its outcome.
        is_shared: Whether others than the person who started it see it.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - in the docstring of the class

    @property
    def label(self) -> str: ...  # noqa: D102

    @property
    def title(self) -> str: ...  # noqa: D102

    @property
    def needs(self) -> Right: ...  # noqa: D102

    @property
    def is_shared(self) -> bool: ...  # noqa: D102

    def run(self, progress: JobProgress) -> Outcome:
        """Do the work; it is called once, in a thread of its own.

        Args:
            progress: Gets how far it is.

        Raises:
            TelemetryError: It cannot be done; the message is shown to the person.
            StoppedJob: It is no longer wanted.
        """
