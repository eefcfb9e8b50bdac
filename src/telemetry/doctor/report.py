"""Defines the results of the checks, and the exit code that follows from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from telemetry.exceptions import ConfigurationError, TelemetryError


class Status(StrEnum):
    """Outcome of a check; the values are stable."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the report.

    Attributes:
        check: Name of the check, such as ``kafka.login``.
        status: Outcome of the check.
        message: Observation; never a secret.
        remedy: Advice; empty where nothing is wrong.
        kind: Name of the cause where there is one, such as ``expired_certificate``.
        exit_code: Exit code of the command if this is the first failure.
    """

    check: str
    status: Status
    message: str
    remedy: str = ""
    kind: str = ""
    exit_code: int = 0

    @classmethod
    def failed(cls, check: str, error: TelemetryError, *, remedy: str = "", exit_code: int = 0) -> CheckResult:
        """Return an error of this library as a failure; ``exit_code`` where the check has one of its own."""
        return cls(check, Status.FAILED, str(error), remedy, exit_code=exit_code or error.exit_code)

    def as_dict(self) -> dict[str, str]:
        """Return it for JSON."""
        return {
            "check": self.check,
            "status": self.status.value,
            "kind": self.kind,
            "message": self.message,
            "remedy": self.remedy,
        }


class Report:
    """All results, in the order of the checks.

    Args:
        results: Results of the checks.
    """

    def __init__(self, results: Iterable[CheckResult]) -> None:
        self.results = tuple(results)

    @property
    def exit_code(self) -> int:
        """0 without a failure (a warning is none), else the exit code of the first failure.

        2: configuration, 5: key, 6: Kafka or the fallback store, 1: anything else.
        """
        # A failure without a code of its own still ends the command with one.
        return next((result.exit_code or 1 for result in self.results if result.status is Status.FAILED), 0)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON; the names are stable."""
        return {
            "ok": self.exit_code == 0,
            "exit_code": self.exit_code,
            "checks": [result.as_dict() for result in self.results],
        }


def refused_configuration(error: ConfigurationError) -> Report:
    """Return the report of a configuration that cannot be read: one failure for each problem."""
    return Report(
        CheckResult(
            "configuration",
            Status.FAILED,
            f"{problem.field}: {problem.reason}" if problem.field else problem.reason,
            problem.remedy,
            kind="configuration",
            exit_code=error.exit_code,
        )
        for problem in error.problems
    )
