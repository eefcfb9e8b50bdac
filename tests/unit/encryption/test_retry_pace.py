"""Waits after failures of a key service: longer each time, bounded, and gone after a success."""

from __future__ import annotations

import pytest

from telemetry.encryption.retry_pace import RetryPace
from telemetry.exceptions import EncryptionError, KeyServiceError, KeyThrottledError

DOWN = KeyThrottledError("slow down")


def test_first_call_waits_for_nothing() -> None:
    assert RetryPace().wait(-1e9) == 0


@pytest.mark.parametrize(("failures", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (10_000, 30.0)])
def test_waits_double_up_to_a_bound(failures: int, longest: float) -> None:
    pace = RetryPace()
    for _ in range(failures):
        pace.note_failure(DOWN, 100.0)

    assert longest / 2 <= pace.wait(100.0) <= longest
    assert pace.wait(100.0 + longest) == 0
    assert pace.failures_in_a_row == failures


def test_success_forgets_the_failures() -> None:
    pace = RetryPace()
    pace.note_failure(DOWN, 100.0)
    assert pace.last_error is DOWN

    pace.note_success()

    assert (pace.wait(100.0), pace.failures_in_a_row) == (0, 0)
    assert not pace.last_error


def test_other_errors_become_errors_of_the_service() -> None:
    pace = RetryPace()
    pace.note_failure(EncryptionError("the data keys are closed"), 0.0)
    assert type(pace.last_error) is KeyServiceError
