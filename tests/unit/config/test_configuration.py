"""Configurations that cannot work are refused with every problem at once, and no secret is shown."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import uuid_utils

from telemetry.config.telemetry import default_service_name
from telemetry.exceptions import ConfigurationError
from telemetry.format.proof.checkpoint import Checkpoint, parse_text, render_text
from telemetry.format.proof.merkle import Frontier
from telemetry.format.value.message import source_of
from telemetry.sync import Telemetry
from telemetry.types import AuditConfig, EncryptionConfig, KafkaConfig, StorageConfig, TelemetryConfig

SECRET = "correct horse battery staple"


def _local(folder: Path, **changes: Any) -> AuditConfig:
    values: dict[str, Any] = {
        "kafka_brokers": "localhost:9092",
        "encryption_config": {"provider": "local_key", "key_path": folder / "key", "passphrase": SECRET},
        "storage_config": {"provider": "local_file", "base_path": folder / "fallback"},
    }
    return AuditConfig(**{**values, **changes})


def _aws(password: str) -> AuditConfig:
    values: dict[str, Any] = {"username": "admin", "password": password, "mechanism": "PLAIN", "topic": "audit-logs"}
    return AuditConfig(
        kafka_brokers="kafka:9093",
        kafka_config=KafkaConfig(**values),
        encryption_config=EncryptionConfig(provider="aws_kms", kms_key_id="alias/audit"),
        storage_config=StorageConfig(provider="aws_s3", bucket_name="audit", prefix="audit-events"),
    )


def _start_error(config: AuditConfig) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        Telemetry(config).start()
    return caught.value


def test_aws_example_constructs_with_sasl_over_tls() -> None:
    config = _aws("")

    assert config.security_protocol == "SASL_SSL"
    assert config.kafka_topic == "audit-logs"


def test_local_example_constructs(tmp_path: Path) -> None:
    config = _local(tmp_path)

    assert config.security_protocol == "SSL"
    assert (config.batch_size_kb, config.batch_timeout_ms, config.max_retries) == (1, 100, 3)


def test_empty_sasl_password_stops_the_start() -> None:
    error = _start_error(_aws(""))

    assert [problem.field for problem in error.problems] == ["kafka_config.password"]


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        TelemetryConfig(environment="a\nb", audit_config={"batch_size_kb": 0, "storage_config": {"provider": "aws_s3"}, "oops": 1})  # type: ignore[arg-type]  # fmt: skip

    assert {problem.field for problem in caught.value.problems} == {
        "environment",
        "audit_config.kafka_brokers",
        "audit_config.batch_size_kb",
        "audit_config.encryption_config",
        "audit_config.storage_config.bucket_name",
        "audit_config.oops",
    }


@pytest.mark.parametrize("brokers", ["", "kafka", "kafka:0", "kafka:70000", "kafka:9092,", "ka fka:9092", "http://k:1"])
def test_unusable_brokers_are_refused(tmp_path: Path, brokers: str) -> None:
    with pytest.raises(ConfigurationError, match="kafka_brokers"):
        _local(tmp_path, kafka_brokers=brokers)


def test_fields_given_twice_must_agree(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="kafka_topic"):
        _local(tmp_path, kafka_topic="one", kafka_config={"topic": "two"})


def test_kafka_config_fills_flat_fields(tmp_path: Path) -> None:
    config = _local(tmp_path, kafka_config={"topic": "from-kafka-config"})

    assert config.kafka_topic == "from-kafka-config"


@pytest.mark.parametrize("milliseconds", [9, 300_001])
def test_timeout_out_of_bounds_is_refused(tmp_path: Path, milliseconds: int) -> None:
    with pytest.raises(ConfigurationError, match="kafka_timeout_ms"):
        _local(tmp_path, kafka_timeout_ms=milliseconds)

    assert _local(tmp_path, kafka_timeout_ms=300_000).kafka_timeout_ms == 300_000


@pytest.mark.parametrize("field", ["encryption_config", "storage_config"])
def test_unknown_provider_is_refused_with_known_names(tmp_path: Path, field: str) -> None:
    error = _start_error(_local(tmp_path, **{field: {"provider": "nowhere"}}))

    assert "'nowhere' is unknown" in str(error)
    assert "local_" in str(error)


def test_wrong_passphrase_is_refused_and_not_shown(tmp_path: Path) -> None:
    with Telemetry(_local(tmp_path, kafka_timeout_ms=100, max_retries=0)) as telemetry:
        telemetry.shutdown(1)
    wrong = {"provider": "local_key", "key_path": tmp_path / "key", "passphrase": "wrong-guess"}

    error = _start_error(_local(tmp_path, encryption_config=wrong))

    assert "passphrase is wrong" in str(error)
    assert SECRET not in str(error)
    assert "wrong-guess" not in str(error)


def test_impossible_folder_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    error = _start_error(
        _local(tmp_path, storage_config={"provider": "local_file", "base_path": tmp_path / "file" / "below"})
    )

    assert str(tmp_path / "file") in str(error)


@pytest.mark.parametrize("option", ["acks", "enable.idempotence", "ssl.endpoint.identification.algorithm", "retries"])
def test_weakening_setting_is_refused_by_name(tmp_path: Path, option: str) -> None:
    error = _start_error(_local(tmp_path, kafka_options={option: "1"}))

    assert [problem.field for problem in error.problems] == [f"kafka_options.{option}"]


def test_short_hmac_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="key_hmac_secret"):
        _local(tmp_path, key_mode="hmac", key_hmac_secret="short")


def test_secrets_are_not_shown_or_dumped(tmp_path: Path) -> None:
    config = TelemetryConfig(audit_config=_local(tmp_path))

    assert SECRET not in repr(config)
    assert SECRET not in config.model_dump_json()


def test_configuration_cannot_be_changed(tmp_path: Path) -> None:
    config = _local(tmp_path)

    with pytest.raises(ValueError, match="frozen"):
        config.batch_size_kb = 2


def test_argument_beats_environment_beats_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "telemetry.toml"
    file.write_text(
        'service_name = "file"\nenvironment = "file"\nversion = "file"\n[audit_config]\nkafka_brokers = "file:1"\n'
        "encryption_enabled = false\nfallback_enabled = false\n"
    )
    monkeypatch.setenv("TELEMETRY_ENVIRONMENT", "variable")
    monkeypatch.setenv("TELEMETRY_VERSION", "variable")
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__BATCH_SIZE_KB", "7")

    config = TelemetryConfig.load(file, version="argument")

    assert (config.service_name, config.environment, config.version) == ("file", "variable", "argument")
    assert (config.audit_config.kafka_brokers, config.audit_config.batch_size_kb) == ("file:1", 7)


@pytest.mark.parametrize("content", ["not toml =", 'service_name = "x"\n[audit_config]\nunknown = 1\n'])
def test_unusable_file_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "telemetry.toml"
    file.write_text(content)

    with pytest.raises(ConfigurationError):
        TelemetryConfig.load(file)


def test_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a file"):
        TelemetryConfig.load(tmp_path / "absent.toml")


def test_bare_audit_config_is_named_by_opentelemetry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "from-otel")

    assert Telemetry(_local(tmp_path)).config.service_name == "from-otel"


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("/srv/app/shop/__main__.py", "shop"),
        ("/srv/bin/shop", "shop"),
        ("jobs/mail.py", "mail"),
        ("-c", "python"),
        ("-m", "python"),
        ("", "python"),
    ],
)
def test_program_names_the_service(monkeypatch: pytest.MonkeyPatch, program: str, name: str) -> None:
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    monkeypatch.setattr("sys.argv", [program, "--port", "80"])

    assert default_service_name() == name


def test_configuration_error_survives_pickling() -> None:
    with pytest.raises(ConfigurationError) as caught:
        AuditConfig()  # type: ignore[call-arg]

    copied = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - made two lines above

    assert [problem.field for problem in copied.problems] == [problem.field for problem in caught.value.problems]


@pytest.mark.parametrize("name", ["b:c", ":", "urn:shop:payments"])
def test_colon_in_a_service_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    # The user `a:b` of the service `c` and the user `a` of the service `b:c` would have one Kafka key.
    with pytest.raises(ConfigurationError, match="service_name: has a colon"):
        TelemetryConfig(service_name=name, audit_config=_local(tmp_path))

    monkeypatch.setenv("OTEL_SERVICE_NAME", name)
    with pytest.raises(ConfigurationError, match="service_name: has a colon"):
        TelemetryConfig(audit_config=_local(tmp_path))


def test_the_longest_names_fit_into_a_checkpoint(tmp_path: Path) -> None:
    # An emoji is 12 characters when it is percent-encoded.
    fitting, too_long = "\U0001f600" * 166 + "12345678", "\U0001f600" * 167

    config = TelemetryConfig(service_name=fitting, environment=fitting, audit_config=_local(tmp_path))
    source = source_of(config.environment, config.service_name)
    checkpoint = Checkpoint.of(
        Frontier(), source=source, producer=str(uuid_utils.uuid7()), time="2026-01-02T03:04:05.000006Z"
    )
    assert parse_text(render_text(checkpoint)) == checkpoint

    for field in ("service_name", "environment"):
        names: dict[str, Any] = {field: too_long}
        with pytest.raises(ConfigurationError, match=f"{field}: has more than 2000 characters when it is percent-"):
            TelemetryConfig(audit_config=_local(tmp_path), **names)


def test_events_in_the_clear_are_not_disclosable(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nothing to disclose") as caught:
        _local(tmp_path, disclosable=True, encryption_enabled=False)

    assert [problem.field for problem in caught.value.problems] == ["disclosable"]
    assert _local(tmp_path, disclosable=True).disclosable
    assert not _local(tmp_path).disclosable
