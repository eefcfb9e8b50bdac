"""Configurations that send nothing: accepted on a laptop, refused in production, and by no variable against a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.config.local import is_production
from telemetry.exceptions import ConfigurationError

AUDIT = "TELEMETRY_AUDIT_CONFIG__"
NAMES_BROKERS = '[audit_config]\nkafka_brokers = "kafka:9093"\nencryption_enabled = false\nfallback_enabled = false\n'
NAMES_THEM_ELSEWHERE = (
    "[audit_config]\nencryption_enabled = false\nfallback_enabled = false\n"
    '[audit_config.kafka_config]\nbrokers = "kafka:9093"\n'
)
SWITCHES = [
    {f"{AUDIT}KAFKA_BROKERS": "memory:"},
    {f"{AUDIT}KAFKA_BROKERS": " console: "},
    {f"{AUDIT}KAFKA_CONFIG__BROKERS": "memory:"},
    {f"{AUDIT}ENABLED": "false"},
    {f"{AUDIT}ENABLED": "0"},
    {"TELEMETRY_AUDIT_CONFIG": '{"enabled": false}'},
    {"TELEMETRY_AUDIT_CONFIG": '{"kafka_brokers": "memory:"}'},
]


def _load(folder: Path, content: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> TelemetryConfig:
    file = folder / "telemetry.toml"
    file.write_text(content)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return TelemetryConfig.load(file)


@pytest.mark.parametrize(
    ("values", "mode"),
    [
        ({"kafka_brokers": "memory:"}, "memory"),
        ({"kafka_brokers": "console:"}, "console"),
        ({"enabled": False}, "off"),
        ({"enabled": "off"}, "off"),
        ({"kafka_brokers": "kafka:9092", "enabled": False}, "off"),
        ({"kafka_brokers": "memory:", "kafka_config": {"brokers": "kafka:9092"}}, "memory"),
    ],
)
def test_local_configuration_needs_no_section(values: dict[str, Any], mode: str) -> None:
    audit = AuditConfig(**values)

    assert audit.local_mode == mode
    assert TelemetryConfig(environment="development", audit_config=audit).audit_config.local_mode == mode


def test_named_brokers_are_not_local() -> None:
    config = AuditConfig(kafka_brokers="kafka:9092", encryption_enabled=False, fallback_enabled=False)

    assert config.local_mode is None


@pytest.mark.parametrize("brokers", ["memory", "Memory:", "memory:,kafka:9092", "console:1,memory:"])
def test_similar_words_are_no_local_mode(brokers: str) -> None:
    with pytest.raises(ConfigurationError, match="host:port"):
        AuditConfig(kafka_brokers=brokers, encryption_enabled=False, fallback_enabled=False)


def test_enabled_without_brokers_is_refused() -> None:
    values: dict[str, Any] = {"enabled": True, "encryption_enabled": False, "fallback_enabled": False}

    with pytest.raises(ConfigurationError, match="kafka_brokers"):
        AuditConfig(**values)


@pytest.mark.parametrize("values", [{"kafka_brokers": "memory:"}, {"kafka_brokers": "console:"}, {"enabled": False}])
@pytest.mark.parametrize("environment", [None, "production", "PROD", "prod-eu-1", "shop live"])
def test_production_refuses_to_keep_events_here(values: dict[str, Any], environment: str | None) -> None:
    named: dict[str, Any] = {} if environment is None else {"environment": environment}

    with pytest.raises(ConfigurationError, match=r'environment is .*environment="development"'):
        TelemetryConfig(audit_config=AuditConfig(**values), **named)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        *[
            ("production", True),
            ("Production", True),
            ("prod", True),
            ("eu.prod.2", True),
            ("live", True),
            ("prd1", True),
        ],
        *[("development", False), ("dev", False), ("test", False), ("non-prod", False), ("pre-production", False)],
        *[("preprod", False), ("product-demo", False), ("staging", False)],
    ],
)
def test_production_has_many_names(environment: str, expected: bool) -> None:
    assert is_production(environment) is expected


@pytest.mark.parametrize("variables", SWITCHES, ids=str)
@pytest.mark.parametrize("content", [NAMES_BROKERS, NAMES_THEM_ELSEWHERE], ids=["flat", "nested"])
def test_no_variable_keeps_events_from_named_brokers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, variables: dict[str, str]
) -> None:
    with pytest.raises(ConfigurationError, match=r"TELEMETRY_AUDIT_CONFIG.* the configuration file sends events"):
        _load(tmp_path, content, {**variables, "TELEMETRY_ENVIRONMENT": "development"}, monkeypatch)


@pytest.mark.parametrize("content", ['environment = "production"\n', "[audit_config]\nenabled = true\n"])
@pytest.mark.parametrize("variables", SWITCHES, ids=str)
def test_no_variable_ends_a_stated_production(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, variables: dict[str, str]
) -> None:
    with pytest.raises(ConfigurationError, match="the configuration file sends events"):
        _load(tmp_path, content, {**variables, "TELEMETRY_ENVIRONMENT": "development"}, monkeypatch)


@pytest.mark.parametrize(
    "content", ["", 'environment = "development"\n[audit_config]\nkafka_brokers = "memory:"\n'], ids=["empty", "local"]
)
def test_file_without_brokers_leaves_the_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    variables = {f"{AUDIT}KAFKA_BROKERS": "console:", "TELEMETRY_ENVIRONMENT": "development"}

    assert _load(tmp_path, content, variables, monkeypatch).audit_config.local_mode == "console"


def test_program_may_replace_the_brokers_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.toml"
    file.write_text(NAMES_THEM_ELSEWHERE)

    config = TelemetryConfig.load(file, environment="development", audit_config={"kafka_brokers": "memory:"})

    assert config.audit_config.local_mode == "memory"
