"""Verifies the trail as a job, from its beginning or from where the last run ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from telemetry.explorer.access.right import Right
from telemetry.explorer.jobs.job_progress import JobProgress
from telemetry.explorer.jobs.trail_source import TrailSource
from telemetry.reader.trust import TrustPolicy
from telemetry.reader.verify.state import VerifierState
from telemetry.reader.verify.verdicts import VerificationReport
from telemetry.reader.verify.verifier import Verifier

_PRODUCER_BYTES = 2_000
_FINDING_BYTES = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationRun:
    """What one verification found.

    Attributes:
        report: The verdicts.
        scope: What was read, by name.
        state: Where the next run can continue; None where a copy was verified, which has no offsets.
    """

    report: VerificationReport
    scope: Mapping[str, str]
    state: VerifierState | None

    @property
    def weight(self) -> int:
        """Bytes in memory, about."""
        report = self.report
        findings = len(report.findings) + sum(len(each.findings) for each in report.producers)
        return _PRODUCER_BYTES * len(report.producers) + _FINDING_BYTES * findings


class VerificationWork:
    """One verification; see :class:`telemetry.explorer.jobs.work.Work`.

    Args:
        source: The trail.
        policy: Who may sign what.
        after: Where the last run ended, to read only what is new; None for the whole trail.
        open_seconds: A producer whose last checkpoint is at most this old is treated as still running.
        from_start: False if the topic's beginning was deleted on purpose.
    """

    name = "verification"
    title = "Verification"
    needs = Right.SEALED
    is_shared = True

    def __init__(
        self,
        source: TrailSource,
        policy: TrustPolicy,
        *,
        after: VerifierState | None = None,
        open_seconds: float = 0.0,
        from_start: bool = True,
    ) -> None:
        self._source = source
        self._policy = policy
        self._after = after
        self._open_seconds = open_seconds
        self._from_start = from_start
        self.label = "verifying what is new since the last run" if after is not None else "verifying the whole trail"

    def run(self, progress: JobProgress) -> VerificationRun:
        """Read the trail and judge it."""
        # Before it reads: a checkpoint that is written meanwhile is not read, and its producer runs all the same.
        now = datetime.now(UTC)
        archived = self._source.verify_archive(
            self._policy.afresh(), open_seconds=self._open_seconds, now=now, progress=progress
        )
        if archived is not None:
            report, read = archived
            return VerificationRun(report=report, scope=read.scope | self._terms(None), state=None)
        verifier = Verifier(
            self._policy.afresh(),
            state=self._after,
            continued=self._after is not None,
            open_seconds=self._open_seconds,
            from_start=self._from_start,
        )
        read = self._source.read_into(verifier, after=self._after, progress=progress)
        report = verifier.report(now=now)
        report = replace(report, notes=(*read.notes, *report.notes))
        state = None if self._source.is_file else verifier.state(now=now)
        return VerificationRun(report=report, scope=read.scope | self._terms(state), state=state)

    def _terms(self, state: VerifierState | None) -> dict[str, str]:
        """Return under which terms the verdict was reached: another person must be able to repeat the run."""
        terms = {"treated as still running": f"producers with a checkpoint of the last {self._open_seconds:g} seconds"}
        if not self._from_start:
            terms["the topic's beginning"] = "was deleted on purpose, as the person who started this run says"
        if state is not None:
            terms["state of this run, SHA-256"] = state.digest
        return terms
