from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from telemetry.config import AuditConfig
from telemetry.doctor import Status
from telemetry.doctor.secrets import secret_results


def _config(folder: Path, passphrase: str, **changes: Any) -> AuditConfig:
    encryption = {"provider": "local_key", "key_path": folder / "key", "passphrase": passphrase}
    values = {"kafka_brokers": "127.0.0.1:9", "fallback_enabled": False, "encryption_config": encryption, **changes}
    return AuditConfig(**values)


@pytest.mark.parametrize(
    ("passphrase", "status", "code"),
    [("1234567", Status.FAILED, 2), ("12345678", Status.WARNING, 0), ("123456789012", Status.OK, 0)],
)
def test_length_of_a_passphrase_decides(tmp_path: Path, passphrase: str, status: Status, code: int) -> None:
    result, _ = secret_results(_config(tmp_path, passphrase))

    assert (result.status, result.exit_code) == (status, code)
    assert passphrase not in result.message + result.remedy


def test_secret_that_all_may_read_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("0123456789abcdef\n")
    config = _config(tmp_path, "correct horse", key_mode="hmac", key_hmac_secret_file=file)
    file.chmod(0o644)

    result, _ = secret_results(config)
    assert (result.status, result.remedy) == (Status.WARNING, f"chmod o-r {file}")

    file.unlink()  # as a credential of a unit that has ended
    assert next(result.status for result in secret_results(config)) is Status.OK


@pytest.mark.parametrize(("disabled", "status"), [(True, Status.OK), (False, Status.SKIPPED)])
def test_core_dumps_are_reported(tmp_path: Path, disabled: bool, status: Status) -> None:
    _, result = secret_results(_config(tmp_path, "correct horse", disable_core_dumps=disabled))

    assert (result.check, result.status) == ("core_dumps", status)
