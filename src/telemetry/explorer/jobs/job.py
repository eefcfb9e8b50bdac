"""Follows one piece of long work from its start to its outcome."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from telemetry.exceptions import TelemetryError
from telemetry.explorer.access.person import Person
from telemetry.explorer.access.session import Session
from telemetry.explorer.jobs.job_progress import JobProgress, StoppedJob
from telemetry.explorer.jobs.work import Outcome, Work
from telemetry.system.clock import rfc3339

logger = logging.getLogger("telemetry.explorer")

_FAULT = "it failed for a reason that the explorer does not know; the log of the explorer names it"


class JobState(StrEnum):
    """Where a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (JobState.WAITING, JobState.RUNNING)


class Job:
    """One piece of work that a person has started.

    Its state is changed under a lock: it can be stopped in the moment in which it ends.

    Args:
        number: Names it.
        work: What is to be done.
        person: Who started it.

    Attributes:
        number: The same.
        work: The same.
        person: The same.
        asked_at: When it was asked for, RFC 3339.
        ended_at: When it ended; empty before.
        progress: How far it is.
        state: Where it is.
        outcome: What it left behind; None before it is done, and when newer outcomes needed the room.
        error: Why it failed; None if it did not.
    """

    def __init__(self, number: int, work: Work, *, person: Person) -> None:
        self.number = number
        self.work = work
        self.person = person
        self.asked_at = rfc3339(datetime.now(UTC))
        self.ended_at = ""
        self.progress = JobProgress()
        self.state = JobState.WAITING
        self.outcome: Outcome | None = None
        self.error: str | None = None
        self._changing = threading.Lock()

    def is_of(self, person: Person) -> bool:
        """Return whether this person started it, at whatever browser."""
        return (self.person.how, self.person.subject) == (person.how, person.subject)

    def is_shown_to(self, session: Session) -> bool:
        """Return whether a visitor may see it: it is shared or the visitor's own, and the visitor still has the right."""
        return session.may(self.work.needs) and (self.work.is_shared or self.is_of(session.person))

    @property
    def is_outcome_gone(self) -> bool:
        """Whether it left something behind that is no longer kept."""
        return self.state is JobState.DONE and self.outcome is None

    def run(self) -> None:
        """Do the work, unless it was stopped before it began; errors end up in :attr:`error`."""
        with self._changing:
            if self.state is not JobState.WAITING:
                return
            self.state = JobState.RUNNING
        try:
            outcome = self.work.run(self.progress)
        except StoppedJob:
            self._end(JobState.STOPPED)
        except TelemetryError as exc:
            self._end(JobState.FAILED, error=str(exc))
        except Exception as exc:  # noqa: BLE001 - shown as a failed job, and logged
            # Another kind of error could quote content, so that its text is not shown to anyone but who runs the explorer.
            message = "a job of the explorer failed with %s in %s; the explorer continues. Please report it"
            logger.error(message, type(exc).__name__, _place_of(exc))  # noqa: TRY400 - the text of the error may quote content
            self._end(JobState.FAILED, error=_FAULT)
        else:
            self._end(JobState.DONE, outcome=outcome)

    def stop(self) -> bool:
        """Ask it to stop; return False if it had ended already."""
        with self._changing:
            if self.state.is_final:
                return False
            self.progress.stop()
            if self.state is JobState.WAITING:
                self._close(JobState.STOPPED)
            return True

    def forget_outcome(self) -> None:
        """Give back the memory of what it left behind."""
        self.outcome = None

    def _end(self, state: JobState, *, outcome: Outcome | None = None, error: str | None = None) -> None:
        with self._changing:
            self.outcome, self.error = outcome, error
            self._close(state)

    def _close(self, state: JobState) -> None:
        self.ended_at = rfc3339(datetime.now(UTC))
        # Last: who sees a final state finds the rest.
        self.state = state


def _place_of(error: Exception) -> str:
    """Return the function in which an error was raised."""
    trace: Any = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_globals.get('__name__')}, line {trace.tb_lineno}"
