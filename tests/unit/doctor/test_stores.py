from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from telemetry.doctor.stores import key_result
from telemetry.types import AuditConfig, EncryptionConfig


@pytest.mark.parametrize(("writer_only", "said"), [(True, "wrapped a trial"), (False, "wrapped and unwrapped a trial")])
def test_key_trial_names_its_steps(tmp_path: Path, writer_only: bool, said: str) -> None:
    encryption = EncryptionConfig(
        provider="local_key", key_path=tmp_path / "key", passphrase=SecretStr("correct horse"), writer_only=writer_only
    )
    config = AuditConfig(kafka_brokers="127.0.0.1:9", encryption_config=encryption, fallback_enabled=False)
    assert said in key_result(config).message
