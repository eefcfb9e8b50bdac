from __future__ import annotations

import pytest

from telemetry.doctor import CheckResult, Report, Status, refused_configuration
from telemetry.exceptions import ConfigurationError, KeyNotFoundError, Problem, StorageError


def _result(status: Status, code: int = 0) -> CheckResult:
    return CheckResult("check", status, "seen", exit_code=code)


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([], 0),
        ([_result(Status.OK), _result(Status.WARNING), _result(Status.SKIPPED)], 0),
        ([_result(Status.OK), _result(Status.FAILED, 5), _result(Status.FAILED, 6)], 5),
        ([_result(Status.FAILED)], 1),
    ],
)
def test_exit_code_of_first_failure_counts(results: list[CheckResult], code: int) -> None:
    assert Report(results).exit_code == code


def test_exit_codes_of_errors_are_kept() -> None:
    assert CheckResult.failed("key", KeyNotFoundError("no key")).exit_code == 5
    assert CheckResult.failed("store", StorageError("no store")).exit_code == 6


def test_every_configuration_problem_has_its_line() -> None:
    error = ConfigurationError(Problem("a.b", "is missing", "set it"), Problem("", "is odd"))

    report = refused_configuration(error)

    assert report.exit_code == 2
    assert report.as_dict() == {
        "ok": False,
        "exit_code": 2,
        "checks": [
            {
                "check": "configuration",
                "status": "failed",
                "kind": "configuration",
                "message": "a.b: is missing",
                "remedy": "set it",
            },
            {
                "check": "configuration",
                "status": "failed",
                "kind": "configuration",
                "message": "is odd",
                "remedy": "",
            },
        ],
    }
