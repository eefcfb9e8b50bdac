"""What the checks found, and how the command ends because of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from telemetry.exceptions import ConfigurationError, TelemetryError


class Status(StrEnum):
    """How a check ended; the values are stable."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the report.

    Attributes:
        check: What was looked at, such as ``kafka.login``.
        status: How it ended.
        message: What was seen; never a secret.
        remedy: What to do; empty where all is well.
        kind: Name of the cause where there is one, such as ``expired_certificate``.
        exit_code: What the command ends with if this is the first failure.
    """

    check: str
    status: Status
    message: str
    remedy: str = ""
    kind: str = ""
    exit_code: int = 0

    @classmethod
    def failed(cls, check: str, error: TelemetryError, *, remedy: str = "", exit_code: int = 0) -> CheckResult:
        """Return the failure that an error of this library is; ``exit_code`` where the check has one of its own."""
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
        results: What the checks found.
    """

    def __init__(self, results: Iterable[CheckResult]) -> None:
        self.results = tuple(results)

    @property
    def exit_code(self) -> int:
        """0 without failure (warnings are none), else that of the first failure.

        2: configuration, 5: key, 6: Kafka or the fallback store, 1: anything else.
        """
        return next((result.exit_code or 1 for result in self.results if result.status is Status.FAILED), 0)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON; the names are stable."""
        return {
            "ok": self.exit_code == 0,
            "exit_code": self.exit_code,
            "checks": [result.as_dict() for result in self.results],
        }


def refused_configuration(error: ConfigurationError) -> Report:
    """Return the report of a configuration that cannot even be read: one failure for each problem."""
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
