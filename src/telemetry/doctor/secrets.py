"""Checks how well this machine keeps the secrets of a configuration."""

from __future__ import annotations

from collections.abc import Iterator

from telemetry.config import AuditConfig
from telemetry.config.passphrases import GOOD_CHARACTERS, short_passphrases, weak_passphrases
from telemetry.doctor.report import CheckResult, Status
from telemetry.exceptions import ConfigurationError

_CHECK = "secrets"


def secret_results(config: AuditConfig) -> Iterator[CheckResult]:
    """Report every secret that is kept badly, or that there is nothing to report."""
    findings = list(_passphrase_results(config))
    yield from findings or [CheckResult(_CHECK, Status.OK, "passphrases are long enough")]


def _passphrase_results(config: AuditConfig) -> Iterator[CheckResult]:
    """Report passphrases with which ``start()`` refuses to log, and those that should be longer."""
    for problem in short_passphrases(config):
        message, code = f"{problem.field} {problem.reason}", ConfigurationError.exit_code
        yield CheckResult(_CHECK, Status.FAILED, message, problem.remedy, kind="configuration", exit_code=code)
    for field in weak_passphrases(config):
        message = f"{field} has fewer than {GOOD_CHARACTERS} characters"
        yield CheckResult(_CHECK, Status.WARNING, message, "set a longer one: telemetry keys change-passphrase")
