from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.explorer.jobs.job_progress import JobProgress, StoppedJob
from telemetry.explorer.jobs.trail_source import TrailSource
from telemetry.explorer.jobs.verification import VerificationWork
from telemetry.reader import KafkaSource, RawRecord
from telemetry.reader.sources.lines import write_line
from telemetry.reader.verify.verdicts import Verdict
from tests.unit.explorer.jobs.conftest import SignedTrail


def test_whole_trail_is_proven(trail: SignedTrail) -> None:
    progress = JobProgress()

    run = VerificationWork(trail.source, trail.policy).run(progress)

    assert run.report.verdict is Verdict.COMPLETE
    assert run.report.total("proven") >= 30
    assert run.scope["topic"] == "audit-events"
    assert run.state is not None
    assert run.scope["state of this run, SHA-256"] == run.state.digest
    assert run.weight > 0
    assert progress.steps[0].done >= 30


def test_next_run_reads_only_what_is_new(trail: SignedTrail) -> None:
    first = VerificationWork(trail.source, trail.policy).run(JobProgress())
    trail.log(3)

    second = VerificationWork(trail.source, trail.policy, after=first.state).run(JobProgress())

    assert second.report.verdict is Verdict.COMPLETE
    assert second.report.records < first.report.records
    assert first.state is not None
    assert second.report.continued_from == first.state.digest


def test_copy_in_a_file_is_verified(trail: SignedTrail, tmp_path: Path) -> None:
    copy = tmp_path / "trail.jsonl"
    with KafkaSource(trail.config.audit_config) as source:
        copy.write_bytes(b"".join(write_line(record) for record in source if isinstance(record, RawRecord)))

    run = VerificationWork(TrailSource(trail.config, copy), trail.policy).run(JobProgress())

    assert run.report.verdict is Verdict.COMPLETE
    assert run.scope["file"] == str(copy)
    assert run.state is None


def test_stopped_run_ends_at_a_record(trail: SignedTrail) -> None:
    progress = JobProgress()
    progress.stop()

    with pytest.raises(StoppedJob):
        VerificationWork(trail.source, trail.policy).run(progress)


def test_terms_of_a_run_are_in_its_scope(trail: SignedTrail) -> None:
    run = VerificationWork(trail.source, trail.policy, open_seconds=60, from_start=False).run(JobProgress())

    assert "60 seconds" in run.scope["treated as still running"]
    assert "deleted on purpose" in run.scope["the topic's beginning"]
