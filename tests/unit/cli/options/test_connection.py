from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from telemetry.cli.options.connection import ConnectionBundle, load_config, with_connection
from telemetry.exceptions import ConfigurationError, StorageError

NAMES = tuple(ConnectionBundle.options)


def _given(**options: Any) -> dict[str, Any]:
    return {name: options.get(name) for name in NAMES}


def test_options_fill_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("correct horse\n")
    options = _given(
        brokers="kafka:9093",
        topic="trail",
        environment="test",
        ca=tmp_path / "ca.pem",
        key_path=tmp_path / "key",
        passphrase_file=tmp_path / "passphrase",
        fallback_path=tmp_path / "fallback",
    )

    config = load_config(options)

    audit = config.audit_config
    assert (config.environment, audit.kafka_brokers, audit.kafka_topic) == ("test", "kafka:9093", "trail")
    assert audit.kafka_config is not None
    assert audit.kafka_config.ssl_ca_location == tmp_path / "ca.pem"
    assert audit.encryption_config is not None
    assert audit.encryption_config.key_path == tmp_path / "key"
    assert audit.storage_config is not None
    assert audit.storage_config.provider == "local_file"


def test_option_wins_over_environment_and_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "telemetry.toml"
    file.write_text('environment = "file"\nversion = "file"\n[audit_config]\nkafka_brokers = "file:1"\n')
    monkeypatch.setenv("TELEMETRY_ENVIRONMENT", "variable")
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__KAFKA_TOPIC", "variable")

    config = load_config(_given(config=file, brokers="option:1"), encryption_enabled=False, fallback_enabled=False)

    assert (config.environment, config.version) == ("variable", "file")
    assert (config.audit_config.kafka_brokers, config.audit_config.kafka_topic) == ("option:1", "variable")


def test_every_problem_is_reported() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_config(_given(brokers="kafka", topic="a b"))

    assert {problem.field for problem in caught.value.problems} >= {
        "audit_config.kafka_brokers",
        "audit_config.kafka_topic",
    }


@pytest.mark.parametrize(("error", "code"), [(StorageError("away"), 6), (KeyboardInterrupt(), 130)])
def test_error_ends_the_command_with_its_code(error: BaseException, code: int) -> None:
    @with_connection
    def command(load: Any, *, count: int = 1) -> None:
        raise error

    with pytest.raises(typer.Exit) as caught:
        command(**_given(), count=2)

    assert caught.value.exit_code == code
