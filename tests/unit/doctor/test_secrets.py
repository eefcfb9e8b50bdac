from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.config import AuditConfig
from telemetry.doctor import Status
from telemetry.doctor.secrets import secret_results


def _config(folder: Path, passphrase: str) -> AuditConfig:
    encryption = {"provider": "local_key", "key_path": folder / "key", "passphrase": passphrase}
    return AuditConfig(kafka_brokers="127.0.0.1:9", fallback_enabled=False, encryption_config=encryption)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("passphrase", "status", "code"),
    [("1234567", Status.FAILED, 2), ("12345678", Status.WARNING, 0), ("123456789012", Status.OK, 0)],
)
def test_length_of_a_passphrase_decides(tmp_path: Path, passphrase: str, status: Status, code: int) -> None:
    (result,) = secret_results(_config(tmp_path, passphrase))

    assert (result.status, result.exit_code) == (status, code)
    assert passphrase not in result.message + result.remedy
