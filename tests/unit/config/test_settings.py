"""The environment and a file are read by pydantic-settings, which is loaded only for that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.config.settings import load_settings

WITHOUT_A_FILE = """
import sys
from telemetry.types import AuditConfig, TelemetryConfig
audit = AuditConfig(kafka_brokers="localhost:9092", encryption_enabled=False, fallback_enabled=False)
TelemetryConfig(service_name="shop", audit_config=audit)
print("pydantic_settings" in sys.modules)
TelemetryConfig.load()
print("pydantic_settings" in sys.modules)
"""
ENVIRONMENT = {
    "TELEMETRY_AUDIT_CONFIG__KAFKA_BROKERS": "localhost:9092",
    "TELEMETRY_AUDIT_CONFIG__ENCRYPTION_ENABLED": "false",
    "TELEMETRY_AUDIT_CONFIG__FALLBACK_ENABLED": "false",
}


def test_configuration_in_python_loads_no_settings() -> None:
    environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_FILE], env=environment, capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.split() == ["False", "True"]


def test_absent_fields_are_left_to_their_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    assert set(load_settings(None, {})) == {"audit_config"}
    assert set(load_settings(None, {"version": "1.2"})) == {"audit_config", "version"}


def test_file_fills_what_the_environment_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "telemetry.toml"
    file.write_text('service_name = "shop"\n[audit_config]\nkafka_brokers = "elsewhere:1"\nkafka_topic = "trail"\n')

    loaded = load_settings(file, {})

    assert loaded["service_name"] == "shop"
    assert (loaded["audit_config"].kafka_brokers, loaded["audit_config"].kafka_topic) == ("localhost:9092", "trail")
