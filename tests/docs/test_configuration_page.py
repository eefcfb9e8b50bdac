"""The environment of a container, as the page of the configuration shows it, is a whole configuration."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from telemetry.config import TelemetryConfig
from tests.docs.configuration_tables import PAGE
from tests.support.in_process import run


def test_variables_of_the_page_are_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "signing-passphrase"
    secret.write_text("correct horse battery\n")
    secret.chmod(0o600)
    for name in list(os.environ):
        if name.startswith("TELEMETRY_"):
            monkeypatch.delenv(name)
    (block,) = re.findall(r"^```sh\n(TELEMETRY_.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for line in block.replace("/run/secrets", str(tmp_path)).splitlines():
        monkeypatch.setenv(*line.split("=", 1))

    config = TelemetryConfig.load()

    audit = config.audit_config
    assert (config.service_name, audit.kafka_brokers) == ("payments", "kafka-1:9093,kafka-2:9093")
    assert audit.encryption_config is not None
    assert (audit.encryption_config.provider, audit.encryption_config.kms_key_id) == ("aws_kms", "alias/audit")
    assert audit.storage_config is not None
    assert (audit.storage_config.provider, audit.storage_config.prefix) == ("aws_s3", "fallback")
    assert audit.signing_config is not None


CONTENT = """service_name = "payments"
[audit_config]
kafka_brokers = "kafka-1:9093"
fallback_enabled = false
[audit_config.encryption_config]
provider = "local_key"
key_path = "audit.key"
passphrase_file = "audit-passphrase"
"""


def test_settings_in_force_look_as_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = PAGE.with_name("command.md").read_text("utf-8")
    found = re.search(
        r"^\$ TELEMETRY_KAFKA_TOPIC=(\S+) telemetry (config show .*)\n((?:.+\n)+?)```", page, re.MULTILINE
    )
    assert found is not None
    monkeypatch.chdir(tmp_path)
    for name, content in (("telemetry.toml", CONTENT), ("audit-passphrase", "correct horse battery\n")):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o600)

    done = run(*found[2].split(), environment={"TELEMETRY_KAFKA_TOPIC": found[1]})

    assert done.out.decode() == found[3]
