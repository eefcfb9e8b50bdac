"""The environment and a file are read by pydantic-settings, which is loaded only for that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.config import TelemetryConfig
from telemetry.config.loading.layers import Layers
from telemetry.exceptions import ConfigurationError

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

    assert Layers(None, {}).create(TelemetryConfig).model_fields_set == {"audit_config"}
    assert Layers(None, {"version": "1.2"}).create(TelemetryConfig).model_fields_set == {"audit_config", "version"}


def test_file_fills_what_the_environment_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "telemetry.toml"
    file.write_text('service_name = "shop"\n[audit_config]\nkafka_brokers = "elsewhere:1"\nkafka_topic = "trail"\n')

    loaded = TelemetryConfig.load(file)

    assert loaded.service_name == "shop"
    assert (loaded.audit_config.kafka_brokers, loaded.audit_config.kafka_topic) == ("localhost:9092", "trail")


STATED = """
[audit_config]
kafka_brokers = "localhost:9092"
encryption_enabled = true
fallback_enabled = false
read_audit = "required"
security_protocol = "SSL"
key_mode = "hmac"
key_hmac_secret = "0123456789abcdef"
clear_fields = ["user_id"]
self_audit = true
[audit_config.encryption_config]
provider = "local_key"
key_path = "key"
passphrase = "correct horse"
pbkdf2_iterations = 700000
"""


@pytest.fixture
def stated(tmp_path: Path) -> Path:
    file = tmp_path / "telemetry.toml"
    file.write_text(STATED)
    file.chmod(0o600)
    return file


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("READ_AUDIT", "off"),
        ("READ_AUDIT", "attempt"),
        ("ENCRYPTION_ENABLED", "false"),
        ("ENCRYPTION_ENABLED", "0"),
        ("ENCRYPTION_ENABLED", "No"),
        ("SECURITY_PROTOCOL", "PLAINTEXT"),
        ("SECURITY_PROTOCOL", "SASL_PLAINTEXT"),
        ("KEY_MODE", "clear"),
        ("CLEAR_FIELDS", '["user_id", "entity_id"]'),
        ("CLEAR_FIELDS", '["entity_id"]'),
        ("SELF_AUDIT", "false"),
        ("ENCRYPTION_CONFIG__PBKDF2_ITERATIONS", "600_000"),
        ("ENCRYPTION_CONFIG", '{"pbkdf2_iterations": 600000}'),
    ],
)
def test_environment_does_not_weaken_the_file(
    stated: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(f"TELEMETRY_AUDIT_CONFIG__{variable}", value)

    with pytest.raises(ConfigurationError, match="made weaker by TELEMETRY_AUDIT_CONFIG__"):
        TelemetryConfig.load(stated)


def test_environment_as_one_object_does_not_weaken_either(stated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG", '{"read_audit": "off"}')

    with pytest.raises(ConfigurationError, match="read_audit"):
        TelemetryConfig.load(stated)


def test_environment_makes_the_file_stricter(stated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stated.write_text(STATED.replace('"required"', '"attempt"').replace('"SSL"', '"PLAINTEXT"'))
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__READ_AUDIT", "required")
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__SECURITY_PROTOCOL", "SSL")
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__CLEAR_FIELDS", "[]")
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__ENCRYPTION_CONFIG__PBKDF2_ITERATIONS", "800000")

    audit = TelemetryConfig.load(stated).audit_config

    assert (audit.read_audit, audit.security_protocol, audit.clear_fields) == ("required", "SSL", ())
    assert audit.encryption_config is not None
    assert audit.encryption_config.pbkdf2_iterations == 800_000


def test_what_the_file_leaves_open_the_environment_decides(stated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stated.write_text(STATED.replace('read_audit = "required"', ""))
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__READ_AUDIT", "off")

    assert TelemetryConfig.load(stated).audit_config.read_audit == "off"


@pytest.mark.parametrize("mode", [0o606, 0o666, 0o602])
def test_file_that_others_may_write_is_not_believed(stated: Path, mode: int) -> None:
    stated.chmod(mode)

    with pytest.raises(ConfigurationError, match=r"is not believed: .* may be written by others") as caught:
        TelemetryConfig.load(stated)

    assert caught.value.problems[0].remedy == f"chmod go-w {stated}"


def test_secrets_that_all_may_read_are_warned_about(stated: Path, caplog: pytest.LogCaptureFixture) -> None:
    TelemetryConfig.load(stated)
    assert "may be read" not in caplog.text

    stated.chmod(0o644)
    TelemetryConfig.load(stated)
    assert "has secrets and may be read by every user" in caplog.text


@pytest.mark.parametrize("field", ["RECIPIENTS", "PREVIOUS_KEYS"])
def test_environment_adds_no_key_to_the_files(stated: Path, monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    # Each of them opens the trail, or is believed by readers.
    key = '[{"provider": "local_key", "key_path": "another", "passphrase": "correct horse"}]'
    monkeypatch.setenv(f"TELEMETRY_AUDIT_CONFIG__ENCRYPTION_CONFIG__{field}", key)

    with pytest.raises(ConfigurationError, match=f"{field.lower()}: is given by TELEMETRY_") as caught:
        TelemetryConfig.load(stated)

    assert "correct horse" not in str(caught.value)


@pytest.mark.parametrize("value", ["another", '{"key_path": "another"}'])
def test_environment_names_no_other_key(stated: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    variable = "TELEMETRY_AUDIT_CONFIG__ENCRYPTION_CONFIG"
    monkeypatch.setenv(variable if value.startswith("{") else f"{variable}__KEY_PATH", value)

    with pytest.raises(ConfigurationError, match=r"encryption_config\.key_path: is another one in TELEMETRY_"):
        TelemetryConfig.load(stated)

    monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(f"{variable}__KEY_PATH", "key")
    audit = TelemetryConfig.load(stated).audit_config
    assert audit.encryption_config is not None
    assert audit.encryption_config.key_path == Path("key")


def test_environment_names_no_other_provider(stated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__ENCRYPTION_CONFIG__PROVIDER", "aws_kms")
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__ENCRYPTION_CONFIG__KMS_KEY_ID", "alias/another")

    with pytest.raises(ConfigurationError, match=r"encryption_config\.provider: is another one in TELEMETRY_"):
        TelemetryConfig.load(stated)


def test_environment_names_no_other_signing_key(stated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stated.write_text(STATED + '[audit_config.signing_config]\nkey_path = "signing"\npassphrase = "correct horse"\n')
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__SIGNING_CONFIG__KEY_PATH", "another")

    with pytest.raises(ConfigurationError, match=r"signing_config\.key_path: is another one in TELEMETRY_"):
        TelemetryConfig.load(stated)


def test_environment_gives_the_key_that_the_file_leaves_out(stated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stated.write_text(STATED.replace('key_path = "key"\n', ""))
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__ENCRYPTION_CONFIG__KEY_PATH", "mounted")

    audit = TelemetryConfig.load(stated).audit_config

    assert audit.encryption_config is not None
    assert audit.encryption_config.key_path == Path("mounted")


@pytest.mark.parametrize("date", ["2999-01-01", "2999-01-01T00:00:00+01:00", "19000000000"])
@pytest.mark.parametrize("line", ["", "accept_unmarked_until = 2026-01-01T00:00:00Z\n"])
def test_environment_accepts_nothing_unmarked_for_longer(
    stated: Path, monkeypatch: pytest.MonkeyPatch, date: str, line: str
) -> None:
    stated.write_text(STATED.replace("self_audit = true\n", f"self_audit = true\n{line}"))
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__ACCEPT_UNMARKED_UNTIL", date)

    with pytest.raises(ConfigurationError, match=r"accept_unmarked_until: is .* by TELEMETRY_"):
        TelemetryConfig.load(stated)


def test_environment_accepts_nothing_unmarked_from_now_on(stated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__ACCEPT_UNMARKED_UNTIL", "2020-01-01")

    until = TelemetryConfig.load(stated).audit_config.accept_unmarked_until

    assert until is not None
    assert until.year == 2020


def test_environment_alone_says_what_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__ACCEPT_UNMARKED_UNTIL", "2999-01-01")

    assert TelemetryConfig.load().audit_config.accept_unmarked_until is not None


@pytest.mark.parametrize("name", ["CHECKPOINT_FORMAT", "FALLBACK_OBJECT_FORMAT"])
def test_environment_goes_back_to_no_former_format(stated: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    stated.write_text(STATED.replace("self_audit = true\n", f"self_audit = true\n{name.lower()} = 2\n"))
    monkeypatch.setenv(f"TELEMETRY_AUDIT_CONFIG__{name}", "1")

    with pytest.raises(ConfigurationError, match=f"{name.lower()}: is made weaker by TELEMETRY_"):
        TelemetryConfig.load(stated)
