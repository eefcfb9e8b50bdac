"""Starts verifications, and remembers what the last one found."""

from __future__ import annotations

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.explorer.access.person import Person
from telemetry.explorer.access.session import Session
from telemetry.explorer.jobs.job import Job
from telemetry.explorer.jobs.job_book import JobBook
from telemetry.explorer.jobs.trail_source import TrailSource
from telemetry.explorer.jobs.verification import VerificationRun, VerificationWork
from telemetry.reader.trust import TrustPolicy
from telemetry.reader.verify.state import VerifierState

MAX_OPEN_SECONDS = 86_400.0

NO_TRUST = Problem(
    "--trust",
    "is missing: without a trusted key nothing can be proven",
    "start the explorer again with --trust trust.toml or --public-key audit.pub, or set audit_config.trust_file",
)
"""What is missing where nobody is believed, and how to give it."""


class Verifications:
    """The verification runs of an explorer.

    Args:
        book: Runs them.
        source: The trail.
        policy: Who may sign what; None if nobody said.
    """

    def __init__(self, book: JobBook, source: TrailSource, policy: TrustPolicy | None) -> None:
        self._book = book
        self._source = source
        self._policy = policy

    @property
    def can_verify(self) -> bool:
        """Whether there is a key that is believed."""
        return self._policy is not None and bool(self._policy.keys)

    def start(
        self, person: Person, *, only_new: bool = False, open_seconds: float = 0.0, from_start: bool = True
    ) -> Job:
        """Start a run, or return the one that goes on.

        Args:
            person: Who asks for it.
            only_new: Continue where the last run ended, if there was one.
            open_seconds: A producer whose last checkpoint is at most this old is treated as still running, 0 to 86,400.
            from_start: False if the topic's beginning was deleted on purpose.

        Raises:
            ConfigurationError: No key is believed, or the number of seconds is out of its range.
            BackpressureError: Too many jobs run or wait.
        """
        if self._policy is None or not self.can_verify:
            raise ConfigurationError(NO_TRUST)
        # Also not a number: nothing compares with it.
        if not 0 <= open_seconds <= MAX_OPEN_SECONDS:
            raise ConfigurationError(
                Problem("running", "is not a number of seconds from 0 to 86400", "write such as 60")
            )
        after = self._last_state() if only_new else None
        work = VerificationWork(
            self._source, self._policy, after=after, open_seconds=open_seconds, from_start=from_start
        )
        return self._book.start(work, person=person)

    @property
    def can_continue(self) -> bool:
        """Whether a run has ended of which the next one can continue."""
        return self._last_state() is not None

    def runs(self, session: Session) -> list[Job]:
        """Return the runs that are remembered, the newest first."""
        return [job for job in self._book.shown_to(session) if isinstance(job.work, VerificationWork)]

    def last(self) -> Job | None:
        """Return the newest run that has reached a verdict; None if there is none."""
        return self._book.newest_with(VerificationRun)

    def _last_state(self) -> VerifierState | None:
        last = self.last()
        return last.outcome.state if last is not None and isinstance(last.outcome, VerificationRun) else None
