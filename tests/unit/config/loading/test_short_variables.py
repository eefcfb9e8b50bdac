"""A short variable stands for fields of the configuration, and says the same as the long one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from telemetry.config import TelemetryConfig
from telemetry.config.loading.short_variables import SHORT_VARIABLES, ShortVariable, value_at
from telemetry.config.loading.variable_names import field_paths, long_names
from telemetry.exceptions import ConfigurationError

ENVIRONMENT = {
    "TELEMETRY_SERVICE_NAME": "shop",
    "TELEMETRY_KAFKA_BROKERS": "localhost:9092",
    "TELEMETRY_AUDIT_CONFIG__ENCRYPTION_ENABLED": "false",
    "TELEMETRY_AUDIT_CONFIG__FALLBACK_ENABLED": "false",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.upper().startswith("TELEMETRY_"):
            monkeypatch.delenv(name)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize("variable", SHORT_VARIABLES, ids=lambda variable: variable.stem)
def test_short_variable_stands_for_fields_that_exist(variable: ShortVariable) -> None:
    assert set(variable.paths) <= set(field_paths())
    filled = [path for path, _ in variable.fields(variable.example or "text")]
    assert set(filled) <= set(variable.paths)


def test_names_are_unique_and_no_long_name() -> None:
    names = [variable.name for variable in SHORT_VARIABLES]

    assert len(set(names)) == len(names)
    assert [name for name in names if name in long_names() and long_names()[name][0] == "audit_config"] == []


def test_each_secret_of_the_table_has_a_file_beside_it() -> None:
    names = {variable.name for variable in SHORT_VARIABLES}
    secrets = [variable for variable in SHORT_VARIABLES if f"{variable.field}_file" in _fields_of(variable)]

    assert secrets
    assert all(f"{variable.name}_FILE" in names for variable in secrets)


def _fields_of(variable: ShortVariable) -> set[str]:
    return {path[-1] for path in field_paths() if path[:-1] == variable.section}


def test_environment_alone_is_enough(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse battery")
    passphrase.chmod(0o600)
    environment.delenv("TELEMETRY_AUDIT_CONFIG__ENCRYPTION_ENABLED")
    environment.delenv("TELEMETRY_AUDIT_CONFIG__FALLBACK_ENABLED")
    environment.setenv("TELEMETRY_KEY_PATH", "/keys/audit.key")
    environment.setenv("TELEMETRY_PASSPHRASE_FILE", str(passphrase))
    environment.setenv("TELEMETRY_SIGNING_KEY", "/keys/signing.key")
    environment.setenv("TELEMETRY_SIGNING_PASSPHRASE_FILE", str(passphrase))
    environment.setenv("TELEMETRY_STORAGE_URL", "s3://audit/fallback/shop")
    environment.setenv("TELEMETRY_KAFKA_USERNAME", "shop")
    environment.setenv("TELEMETRY_KAFKA_PASSWORD_FILE", str(passphrase))

    audit = TelemetryConfig.load().audit_config

    assert audit.encryption_config is not None
    assert audit.encryption_config.provider == "local_key"
    assert audit.encryption_config.key_path == Path("/keys/audit.key")
    assert audit.signing_config is not None
    assert audit.signing_config.passphrase.get_secret_value() == "correct horse battery"
    assert audit.storage_config is not None
    assert (audit.storage_config.bucket_name, audit.storage_config.prefix) == ("audit", "fallback/shop")
    assert audit.kafka_config is not None
    assert audit.kafka_config.password is not None
    assert audit.security_protocol == "SASL_SSL"


def test_order_is_argument_variable_file_default(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "telemetry.toml"
    file.write_text('[audit_config]\nkafka_brokers = "file:1"\nkafka_topic = "of-the-file"\nwait_for = "durable"\n')
    environment.setenv("TELEMETRY_KAFKA_TOPIC", "of-the-variable")

    audit = TelemetryConfig.load(file).audit_config
    assert (audit.kafka_topic, audit.wait_for, audit.batch_size_kb) == ("of-the-variable", "durable", 1)

    audit = TelemetryConfig.load(file, audit_config={"kafka_topic": "of-the-argument"}).audit_config
    assert (audit.kafka_topic, audit.kafka_brokers) == ("of-the-argument", "localhost:9092")


def test_addresses_of_the_gateway_are_joined_by_commas(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TELEMETRY_GATEWAY_LISTEN", "http://127.0.0.1:4318, unix:/run/telemetry/gateway.sock")
    environment.setenv("TELEMETRY_GATEWAY_IDENTITIES", "/etc/telemetry/identities.toml")

    gateway = TelemetryConfig.load().gateway_config

    assert gateway is not None
    assert gateway.listen == ("http://127.0.0.1:4318", "unix:/run/telemetry/gateway.sock")


@pytest.mark.parametrize("name", ["telemetry_kafka_topic", "Telemetry_Kafka_Topic"])
def test_case_of_a_name_does_not_matter(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.setenv(name, "trail")

    assert TelemetryConfig.load().audit_config.kafka_topic == "trail"


def test_empty_short_variable_is_not_set(environment: pytest.MonkeyPatch) -> None:
    for variable in SHORT_VARIABLES:
        if variable.name not in ENVIRONMENT:
            environment.setenv(variable.name, "")
    environment.setenv("TELEMETRY_ENVIRONMENT", "")

    config = TelemetryConfig.load()

    assert config.environment == "production"
    assert config.audit_config.encryption_config is None
    assert config.outbox_config is None


@pytest.mark.parametrize(
    ("short", "long", "value", "other"),
    [
        ("KAFKA_TOPIC", "AUDIT_CONFIG__KAFKA_TOPIC", "one", "two"),
        ("KAFKA_TOPIC", "AUDIT_CONFIG", "one", '{"kafka_topic": "two"}'),
        ("KAFKA_PASSWORD", "AUDIT_CONFIG__KAFKA_CONFIG__PASSWORD", "canary one", "canary two"),
        ("SPOOL_MAX_BYTES", "AUDIT_CONFIG", "2000000", '{"spool_max_bytes": 3000000}'),
        ("KEY_PATH", "KMS_KEY", "/keys/audit.key", "alias/audit"),
        ("STORAGE_URL", "AUDIT_CONFIG__STORAGE_CONFIG__BUCKET_NAME", "s3://canary-one", "canary-two"),
    ],
)
def test_two_variables_that_differ_are_refused(
    environment: pytest.MonkeyPatch, short: str, long: str, value: str, other: str
) -> None:
    environment.setenv(f"TELEMETRY_{short}", value)
    environment.setenv(f"TELEMETRY_{long}", other)

    with pytest.raises(ConfigurationError, match="has one value in TELEMETRY_") as caught:
        TelemetryConfig.load()

    assert f"TELEMETRY_{short}" in str(caught.value)
    assert f"TELEMETRY_{long}" in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("short", "long", "value", "same"),
    [
        ("KAFKA_TOPIC", "AUDIT_CONFIG__KAFKA_TOPIC", "trail", "trail"),
        ("SPOOL_MAX_BYTES", "AUDIT_CONFIG", "2000000", '{"spool_max_bytes": 2000000}'),
        ("STORAGE_URL", "AUDIT_CONFIG__STORAGE_CONFIG__BUCKET_NAME", "s3://audit", "audit"),
    ],
)
def test_two_variables_that_agree_are_fine(
    environment: pytest.MonkeyPatch, short: str, long: str, value: str, same: str
) -> None:
    environment.setenv(f"TELEMETRY_{short}", value)
    environment.setenv(f"TELEMETRY_{long}", same)

    TelemetryConfig.load()


@pytest.mark.parametrize("section", ["5", "[]", '"text"'])
def test_section_that_is_no_object_is_refused_beside_a_short_variable(
    environment: pytest.MonkeyPatch, section: str
) -> None:
    environment.setenv("TELEMETRY_AUDIT_CONFIG__KAFKA_CONFIG", section)
    environment.setenv("TELEMETRY_KAFKA_USERNAME", "shop")

    with pytest.raises(ConfigurationError, match="kafka_config"):
        TelemetryConfig.load()


def test_problem_names_the_variable_that_caused_it(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TELEMETRY_KAFKA_TOPIC", "no/topic")
    environment.setenv("TELEMETRY_AUDIT_CONFIG__BATCH_SIZE_KB", "0")
    environment.setenv("TELEMETRY_AUDIT_CONFIG__KAFKA_BROKER", "localhost:9092")

    with pytest.raises(ConfigurationError) as caught:
        TelemetryConfig.load()

    problems = {problem.field: problem for problem in caught.value.problems}
    assert "(given by TELEMETRY_KAFKA_TOPIC)" in problems["audit_config.kafka_topic"].reason
    assert "(given by TELEMETRY_AUDIT_CONFIG__BATCH_SIZE_KB)" in problems["audit_config.batch_size_kb"].reason
    assert problems["audit_config.kafka_broker"].remedy == "did you mean TELEMETRY_AUDIT_CONFIG__KAFKA_BROKERS?"


def test_all_problems_are_reported_at_once(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "telemetry.toml"
    file.write_text('[audit_config]\nread_audit = "required"\nbatch_size_kb = 0\n')
    environment.setenv("TELEMETRY_READ_AUDIT", "off")
    environment.setenv("TELEMETRY_KMS_KEY", "no key")
    environment.setenv("TELEMETRY_STORAGE_URL", "ftp://canary")

    with pytest.raises(ConfigurationError) as caught:
        TelemetryConfig.load(file)

    assert {problem.field for problem in caught.value.problems} >= {
        "audit_config.read_audit",
        "audit_config.batch_size_kb",
        "TELEMETRY_KMS_KEY",
        "TELEMETRY_STORAGE_URL",
    }
    assert "canary" not in str(caught.value)


def test_what_is_required_is_named_with_its_variable(environment: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        environment.delenv(name)

    with pytest.raises(ConfigurationError) as caught:
        TelemetryConfig.load()

    problems = {problem.field: problem.remedy for problem in caught.value.problems}
    assert "as a variable it is TELEMETRY_KAFKA_BROKERS" in problems["audit_config.kafka_brokers"]
    assert {"audit_config.encryption_config", "audit_config.storage_config"} <= set(problems)


STATED = """
environment = "production"
[audit_config]
kafka_brokers = "kafka:9093"
security_protocol = "SSL"
read_audit = "required"
trust_file = "/etc/shop/trust.toml"
storage_secret = "0123456789abcdef0123"
[audit_config.encryption_config]
provider = "aws_kms"
kms_key_id = "alias/audit"
[audit_config.signing_config]
key_path = "signing.key"
passphrase = "correct horse battery"
"""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA_BROKERS", "memory:"),
        ("KAFKA_BROKERS", "console:"),
        ("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT"),
        ("READ_AUDIT", "off"),
        ("TRUST_FILE", "/tmp/trust.toml"),  # noqa: S108
        ("STORAGE_SECRET", "another secret of theirs"),
        ("KMS_KEY", "alias/theirs"),
        ("KMS_KEY", "https://theirs.vault.azure.net/keys/audit"),
        ("KEY_PATH", "/tmp/theirs.key"),  # noqa: S108
        ("SIGNING_KEY", "/tmp/theirs.key"),  # noqa: S108
    ],
)
def test_short_variable_weakens_nothing_that_the_file_states(
    environment: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    file = tmp_path / "telemetry.toml"
    file.write_text(STATED)
    file.chmod(0o600)
    environment.delenv("TELEMETRY_KAFKA_BROKERS")
    environment.delenv("TELEMETRY_AUDIT_CONFIG__ENCRYPTION_ENABLED")
    TelemetryConfig.load(file)
    environment.setenv(f"TELEMETRY_{name}", value)

    with pytest.raises(ConfigurationError, match=rf"TELEMETRY_{name}[ ,].*configuration file") as caught:
        TelemetryConfig.load(file)

    assert "theirs" not in str(caught.value)


def test_value_at_a_path_that_leads_to_no_section() -> None:
    assert value_at({"a": {"b": 1}}, ("a", "b")) == 1
    assert value_at({"a": 1}, ("a", "b")) is None
    assert value_at(None, ("a",)) is None
