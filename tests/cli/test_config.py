"""The command shows the settings in force and their origins, checks them, and lists the variables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from telemetry.config.loading.short_variables import SHORT_VARIABLES
from telemetry.config.loading.variable_names import OF_COMMANDS, long_names
from tests.support.in_process import run

CONTENT = """service_name = "shop"
[audit_config]
kafka_brokers = "kafka:9093"
fallback_enabled = false
[audit_config.encryption_config]
provider = "local_key"
key_path = "key"
passphrase = "canary horse battery"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "telemetry.toml"
    file.write_text(CONTENT)
    file.chmod(0o600)
    return file


def test_show_prints_values_and_origins(file: Path) -> None:
    done = run("config", "show", "-c", str(file), "--topic", "trail", environment={"TELEMETRY_WAIT_FOR": "delivered"})

    lines = [line.split() for line in done.out.decode().splitlines()]
    assert done.code == 0
    assert ["service_name", "shop", f"{file}:1"] in lines
    assert ["audit_config.encryption_config"] in lines
    assert ["passphrase", "********", f"{file}:8"] in lines
    assert ["kafka_topic", "trail", "option"] in lines
    assert ["wait_for", "delivered", "TELEMETRY_WAIT_FOR"] in lines
    assert ["batch_size_kb", "1", "default"] in lines
    assert b"canary" not in done.out


def test_changed_leaves_the_defaults_out(file: Path) -> None:
    done = run("config", "show", "-c", str(file), "--changed", environment={})

    lines = [line.split()[0] for line in done.out.decode().splitlines()]
    assert lines == [
        "service_name",
        "audit_config",
        "kafka_brokers",
        "fallback_enabled",
        "audit_config.encryption_config",
        "provider",
        "key_path",
        "passphrase",
    ]


def test_show_as_json(file: Path) -> None:
    done = run("config", "show", "-c", str(file), "--json", environment={"TELEMETRY_WAIT_FOR": "delivered"})

    settings = {each["setting"]: each for each in json.loads(done.out)}
    assert settings["audit_config.wait_for"] == {
        "setting": "audit_config.wait_for",
        "value": "delivered",
        "origin": {"kind": "variable", "name": "TELEMETRY_WAIT_FOR"},
    }
    assert settings["audit_config.encryption_config.passphrase"]["value"] == "********"
    assert settings["audit_config.encryption_config.passphrase"]["origin"] == {
        "kind": "file",
        "name": str(file),
        "line": 8,
    }
    assert settings["audit_config.spool_path"]["value"] is None
    assert b"canary" not in done.out


def test_show_neutralises_what_steers_a_terminal(file: Path) -> None:
    file.write_text(CONTENT + 'kms_key_id = "a\\u001b[2Jb[bold]c"\n')

    done = run("config", "show", "-c", str(file), environment={})

    assert b"\x1b[2J" not in done.out
    assert b"[bold]c" in done.out


def test_show_of_a_broken_configuration_ends_with_its_problems(file: Path) -> None:
    done = run("config", "show", "-c", str(file), environment={"TELEMETRY_KAFKA_TOPIC": "no/topic"})

    assert done.code == 2
    assert "audit_config.kafka_topic: is not a legal Kafka topic name (given by TELEMETRY_KAFKA_TOPIC)" in done.err


def test_show_warns_of_a_misspelt_variable(file: Path) -> None:
    done = run("config", "show", "-c", str(file), environment={"TELEMETRY_KAFKA_BROKER": "x:1"})

    assert done.code == 0
    assert "TELEMETRY_KAFKA_BROKER is unknown and has no effect; did you mean TELEMETRY_KAFKA_BROKERS?" in done.err


def test_check_of_a_sound_configuration(file: Path) -> None:
    done = run("config", "check", "-c", str(file), environment={})

    assert done.code == 0
    assert b"complete and consistent" in done.out


def test_check_lists_all_problems_at_once(file: Path) -> None:
    file.write_text(CONTENT.replace("fallback_enabled = false", "batch_size_kb = 0"))
    variables = {
        "TELEMETRY_KAFKA_TOPIC": "no/topic",
        "TELEMETRY_AUDIT_CONFIG__KAFKA_TOPIC": "another",
        "TELEMETRY_KMS_KEY": "alias/another",
        "TELEMETRY_SPOL_PATH": "/spool",
    }

    done = run("config", "check", "-c", str(file), "--json", environment=variables)

    report = json.loads(done.out)
    messages = " ".join(each["message"] for each in report["checks"])
    assert done.code == report["exit_code"] == 2
    assert "has one value in TELEMETRY_KAFKA_TOPIC and another in TELEMETRY_AUDIT_CONFIG__KAFKA_TOPIC" in messages
    assert "encryption_config.provider: is another one in TELEMETRY_KMS_KEY than in the configuration file" in messages
    assert "audit_config.batch_size_kb" in messages
    assert "audit_config.storage_config: is required" in messages
    assert report["checks"][0]["kind"] == "misspelt_variable"


def test_check_finds_an_absent_certificate_and_a_short_passphrase(file: Path) -> None:
    file.write_text(CONTENT.replace("canary horse battery", "canary"))

    done = run("config", "check", "-c", str(file), "--ca", "/nowhere/ca.pem", environment={})

    assert done.code == 2
    assert b"ssl_ca_location" in done.out
    assert b"encryption_config.passphrase has fewer than 8 characters" in done.out


def test_check_of_an_absent_file() -> None:
    done = run("config", "check", "-c", "/nowhere/telemetry.toml", environment={})

    assert done.code == 2
    assert b"/nowhere/telemetry.toml: is not a file" in done.out


def test_variables_are_listed_with_what_they_stand_for() -> None:
    done = run("config", "variables", environment={"TELEMETRY_KAFKA_TOPIC": "canary"})

    names = [line.lstrip("* ").split()[0] for line in done.out.decode().splitlines()]
    assert names == [*(each.name for each in SHORT_VARIABLES), *OF_COMMANDS]
    assert "* TELEMETRY_KAFKA_TOPIC" in done.out.decode()
    assert b"canary" not in done.out


def test_long_variables_are_listed_as_json() -> None:
    done = run("config", "variables", "--long", "--json", environment={})

    rows = {each["name"]: each for each in json.loads(done.out)}
    assert set(long_names()) <= set(rows)
    assert rows["TELEMETRY_AUDIT_CONFIG__KAFKA_TOPIC"] == {
        "name": "TELEMETRY_AUDIT_CONFIG__KAFKA_TOPIC",
        "meaning": "audit_config.kafka_topic",
        "set": False,
    }


def test_size_as_json() -> None:
    done = run("config", "size", "--services", "200", "--events-per-second", "2000", "--json")

    assert done.code == 0
    assert json.loads(done.out)["key_calls_per_hour"] == 400
