from __future__ import annotations

import pytest

from telemetry.explorer.jobs.job_progress import MAX_STEPS, JobProgress, StoppedJob


def test_step_counts_until_its_end() -> None:
    progress = JobProgress()

    with progress.step("reading") as step:
        assert step.percent is None
        step.expect(4)
        step.advance(3)
        assert step.percent == 75

    assert [(each.label, each.done, each.percent) for each in progress.steps] == [("reading", 3, 100)]


def test_more_than_expected_is_not_over() -> None:
    with JobProgress().step("reading", total=10) as step:
        step.advance(12)
        assert step.percent == 99


def test_stopped_step_ends_at_next_record() -> None:
    progress = JobProgress()

    with progress.step("reading") as step:
        step.advance()
        progress.stop()
        with pytest.raises(StoppedJob):
            step.advance()

    with pytest.raises(StoppedJob), progress.step("next"):
        pass


def test_endless_steps_are_bounded() -> None:
    progress = JobProgress()

    for number in range(MAX_STEPS + 5):
        with progress.step(f"step {number}"):
            pass

    assert len(progress.steps) == MAX_STEPS
    assert progress.steps[-1].label == f"step {MAX_STEPS + 4}"
