"""Checks how well this machine keeps the secrets of a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from telemetry.config import AuditConfig
from telemetry.config.passphrases import GOOD_CHARACTERS, short_passphrases, weak_passphrases
from telemetry.doctor.report import CheckResult, Status
from telemetry.exceptions import ConfigurationError
from telemetry.system.core_dumps import are_core_dumps_disabled
from telemetry.system.file_trust import is_readable_by_all

_CHECK = "secrets"


def secret_results(config: AuditConfig) -> Iterator[CheckResult]:
    """Report every secret that is kept badly, or that there is nothing to report."""
    findings = [*_passphrase_results(config), *_file_results(config)]
    yield from findings or [CheckResult(_CHECK, Status.OK, "passphrases are long enough, files with secrets private")]
    yield _core_dump_result(config)


def _file_results(config: AuditConfig) -> Iterator[CheckResult]:
    """Report files with secrets that every user of the machine may read."""
    for section in (
        config,
        config.kafka_config,
        config.encryption_config,
        config.storage_config,
        config.signing_config,
        config.subject_keys,
    ):
        for field in section.secret_files if section is not None else ():
            path = getattr(section, field)
            if path is not None and _is_open(path):
                message = f"{path} has a secret and may be read by every user of this machine"
                yield CheckResult(_CHECK, Status.WARNING, message, f"chmod o-r {path}")


def _is_open(path: Path) -> bool:
    try:
        return is_readable_by_all(path.expanduser())
    except OSError:  # it was read when the configuration was loaded; a credential of systemd may be gone by now
        return False


def _core_dump_result(config: AuditConfig) -> CheckResult:
    if config.disable_core_dumps or are_core_dumps_disabled():
        return CheckResult("core_dumps", Status.OK, "no core dump is written")
    message = "a crash may write keys and events into a core dump"
    return CheckResult("core_dumps", Status.SKIPPED, message, "set disable_core_dumps")


def _passphrase_results(config: AuditConfig) -> Iterator[CheckResult]:
    """Report passphrases with which ``start()`` refuses to log, and those that should be longer."""
    for problem in short_passphrases(config):
        message, code = f"{problem.field} {problem.reason}", ConfigurationError.exit_code
        yield CheckResult(_CHECK, Status.FAILED, message, problem.remedy, kind="configuration", exit_code=code)
    for field in weak_passphrases(config):
        message = f"{field} has fewer than {GOOD_CHARACTERS} characters"
        yield CheckResult(_CHECK, Status.WARNING, message, "set a longer one: telemetry keys change-passphrase")
