"""A variable that looks like a misspelt one is warned about; those of other programs are left alone."""

from __future__ import annotations

import pytest

from telemetry.config import TelemetryConfig
from telemetry.config.loading.environment import Sections
from telemetry.config.loading.short_variables import SHORT_VARIABLES
from telemetry.config.loading.variable_names import (
    OF_COMMANDS,
    long_names,
    nearest,
    short_name,
    suspects,
    variable_for_absent,
)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TELEMETRY_KAFKA_BROKER", "TELEMETRY_KAFKA_BROKERS"),
        ("TELEMETRY_BROKERS", "TELEMETRY_KAFKA_BROKERS"),
        ("TELEMETRY_ENVIROMENT", "TELEMETRY_ENVIRONMENT"),
        ("TELEMETRY_AUDIT_CONFG__KAFKA_BROKERS", "TELEMETRY_AUDIT_CONFIG__KAFKA_BROKERS"),
        ("TELEMETRY_AUDIT_CONFIG_KAFKA_BROKERS", "TELEMETRY_AUDIT_CONFIG__KAFKA_BROKERS"),
        ("TELEMETRY_BATCH_SIZE_KB", "TELEMETRY_AUDIT_CONFIG__BATCH_SIZE_KB"),
        ("TELEMETRY_PASSPHRASE_FIEL", "TELEMETRY_PASSPHRASE_FILE"),
    ],
)
def test_misspelt_variable_is_recognised(name: str, meant: str) -> None:
    assert suspects([name]) == [(name, meant)]


@pytest.mark.parametrize(
    "name", ["TELEMETRY_OPTOUT", "TELEMETRY_DISABLED", "TELEMETRY_LEVEL", "TELEMETRY_", "AWS_REGION", "KAFKA_BROKERS"]
)
def test_variable_of_another_program_is_left_alone(name: str) -> None:
    assert suspects([name]) == []


def test_known_variables_are_not_suspected() -> None:
    known = [*long_names(), *OF_COMMANDS, *(variable.name for variable in SHORT_VARIABLES)]

    assert suspects(known) == []


def test_unknown_field_of_a_section_is_left_to_loading() -> None:
    assert suspects(["TELEMETRY_AUDIT_CONFIG__KAFKA_BROKER"]) == []
    assert nearest("TELEMETRY_AUDIT_CONFIG__KAFKA_BROKER") == "TELEMETRY_AUDIT_CONFIG__KAFKA_BROKERS"


def test_number_of_suspects_is_bounded() -> None:
    assert len(suspects(f"TELEMETRY_KAFKA_BROKERS{number}" for number in range(100))) == 20


def test_name_that_means_several_is_not_guessed() -> None:
    assert nearest("TELEMETRY_KEY") is None


def test_short_name_of_a_field() -> None:
    assert short_name(("audit_config", "kafka_topic")) == "TELEMETRY_KAFKA_TOPIC"
    assert short_name(("audit_config", "encryption_config", "kms_key_id")) is None
    assert variable_for_absent(("audit_config", "storage_config")) == "TELEMETRY_STORAGE_URL"
    assert variable_for_absent(("audit_config", "kafka_topic")) == "TELEMETRY_KAFKA_TOPIC"
    assert variable_for_absent(("audit_config", "kafka_config")) is None


def test_loading_warns(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("TELEMETRY_KAFKA_BROKER", "canary:9092")
    monkeypatch.setenv("TELEMETRY_KAFKA_BROKERS", "memory:")
    monkeypatch.setenv("TELEMETRY_ENVIRONMENT", "test")

    TelemetryConfig.load()

    assert (
        "the variable TELEMETRY_KAFKA_BROKER is unknown and has no effect; did you mean TELEMETRY_KAFKA_BROKERS?"
        in (caplog.text)
    )
    assert "canary" not in caplog.text


def test_variables_know_every_field_of_the_configuration() -> None:
    assert set(Sections.model_fields) == set(TelemetryConfig.model_fields)
