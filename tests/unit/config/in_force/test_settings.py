"""Each setting in force names the place that its value comes from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from telemetry.config.in_force.settings import Setting, settings_in_force
from telemetry.config.loading.layers import Layers, Origin
from telemetry.config.loading.variable_names import field_paths
from telemetry.exceptions import ConfigurationError

CONTENT = """service_name = "shop"
[audit_config]
kafka_brokers = "kafka:9093"
encryption_enabled = true
wait_for = "durable"
read_audit = "required"
kafka_options = { "linger.ms" = 5 }
[audit_config.kafka_config]
topic = "trail"
username = "shop"
password_file = "{password}"
[audit_config.encryption_config]
provider = "local_key"
key_path = "key"
passphrase = "canary horse battery"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.upper().startswith(("TELEMETRY_", "OTEL_")):
            monkeypatch.delenv(name)
    password = tmp_path / "password"
    password.write_text("canary of kafka")
    file = tmp_path / "telemetry.toml"
    file.write_text(CONTENT.replace("{password}", str(password)))
    for path in (password, file):
        path.chmod(0o600)
    return file


def _settings(file: Path | None, **arguments: object) -> dict[str, Setting]:
    return {each.name: each for each in settings_in_force(Layers(file, arguments))}


def test_origin_of_each_setting(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEMETRY_STORAGE_URL", "s3://audit/fallback")
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__BATCH_SIZE_KB", "7")
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__SIGNING_CONFIG", '{"key_path": "k", "passphrase": "canary battery"}')
    place = str(file)

    settings = _settings(file, environment="test", audit_config={"wait_for": "delivered"})

    origins = {name: each.origin for name, each in settings.items()}
    assert origins["service_name"] == Origin("file", place, 1)
    assert origins["environment"] == Origin("argument")
    assert origins["version"] == Origin("default")
    assert origins["audit_config.kafka_brokers"] == Origin("file", place, 3)
    assert origins["audit_config.kafka_topic"] == Origin("file", place, 9)
    assert origins["audit_config.kafka_options"] == Origin("file", place, 7)
    assert origins["audit_config.security_protocol"] == Origin("derived")
    assert origins["audit_config.wait_for"] == Origin("argument")
    assert origins["audit_config.batch_size_kb"] == Origin("variable", "TELEMETRY_AUDIT_CONFIG__BATCH_SIZE_KB")
    assert origins["audit_config.storage_config.bucket_name"] == Origin("variable", "TELEMETRY_STORAGE_URL")
    assert origins["audit_config.storage_config.base_path"] == Origin("default")
    assert origins["audit_config.signing_config.key_path"] == Origin(
        "variable", "TELEMETRY_AUDIT_CONFIG__SIGNING_CONFIG"
    )
    assert origins["audit_config.kafka_config.password"] == Origin("secret file", str(file.with_name("password")))
    assert origins["audit_config.kafka_config.password_file"] == Origin("file", place, 11)
    assert origins["outbox_config"] == Origin("default")
    assert "canary" not in str(settings)


def test_secret_that_a_variable_replaces_is_not_of_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEMETRY_STORAGE_URL", "s3://audit")
    monkeypatch.setenv("TELEMETRY_PASSPHRASE_FILE", str(file.with_name("password")))

    settings = _settings(file)

    secret = settings["audit_config.encryption_config.passphrase"]
    assert secret.origin == Origin("secret file", str(file.with_name("password")))
    named = settings["audit_config.encryption_config.passphrase_file"]
    assert named.origin == Origin("variable", "TELEMETRY_PASSPHRASE_FILE")


def test_every_field_of_the_sections_in_force_is_listed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEMETRY_STORAGE_URL", "s3://audit")

    listed = set(_settings(file))

    sections = [name.rpartition(".")[0] for name in listed]
    expected = {".".join(path) for path in field_paths() if ".".join(path[:-1]) in sections}
    assert expected <= listed


@pytest.mark.parametrize(
    ("variable", "origin"), [("payments", Origin("variable", "OTEL_SERVICE_NAME")), ("", Origin("derived"))]
)
def test_name_of_the_service_without_a_setting(
    monkeypatch: pytest.MonkeyPatch, file: Path, variable: str, origin: Origin
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", variable)
    monkeypatch.setenv("TELEMETRY_KAFKA_BROKERS", "memory:")
    monkeypatch.setenv("TELEMETRY_ENVIRONMENT", "test")

    assert _settings(None)["service_name"].origin == origin


def test_settings_of_a_broken_configuration_are_refused(file: Path) -> None:
    with pytest.raises(ConfigurationError, match="storage_config"):
        _settings(file)
