"""Secrets from files: read as systemd, Kubernetes and Docker mount them, and refused where others could write."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import SecretStr

from telemetry.config import (
    AuditConfig,
    EncryptionConfig,
    KafkaConfig,
    SigningConfig,
    StorageConfig,
    TelemetryConfig,
)
from telemetry.config.model import ConfigModel
from telemetry.config.secret_files import read_secret, require_unchangeable
from telemetry.exceptions import ConfigurationError, Problem

SECRET = "correct horse battery staple"
# A private key as PEM text has `ssl_key_location` instead; storage secrets are read where their keys are derived.
READ_ELSEWHERE = {"ssl_key_pem", "storage_secret", "former_storage_secrets"}
MODELS: tuple[type[ConfigModel], ...] = (AuditConfig, EncryptionConfig, KafkaConfig, SigningConfig, StorageConfig)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return path


def _encryption(**fields: Any) -> EncryptionConfig:
    return EncryptionConfig(provider="local_key", key_path=Path("key"), **fields)


def test_every_secret_field_can_name_a_file() -> None:
    for model in MODELS:
        secrets = {
            name
            for name, field in model.model_fields.items()
            if SecretStr in (field.annotation, *get_args(field.annotation))
        }
        assert secrets - set(model.secret_files.values()) <= READ_ELSEWHERE, model
        assert set(model.secret_files) <= set(model.model_fields)


def test_first_line_fills_the_secret(file: Path) -> None:
    file.write_text(f"{SECRET}\r\nsecond line\n")

    config = _encryption(passphrase_file=file)

    assert config.passphrase is not None
    assert config.passphrase.get_secret_value() == SECRET
    assert SECRET not in repr(config)


def test_configuration_is_created_again_from_its_values(file: Path) -> None:
    config = _encryption(passphrase_file=file)

    assert EncryptionConfig(**config.model_dump()) == config
    assert "passphrase_file" not in config.handed_over()
    assert EncryptionConfig(**config.handed_over()).passphrase == config.passphrase


def test_secret_beside_another_file_is_refused(file: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _encryption(passphrase_file=file, passphrase="another one", timeout_ms=0)

    assert [problem.field for problem in caught.value.problems] == ["passphrase_file", "timeout_ms"]
    assert SECRET not in str(caught.value)
    assert "another one" not in str(caught.value)


def test_loose_file_is_one_problem_among_all(file: Path) -> None:
    file.chmod(0o602)

    with pytest.raises(ConfigurationError) as caught:
        SigningConfig(key_path=Path("key"), passphrase_file=file, every_events=0)  # type: ignore[call-arg]

    assert [problem.field for problem in caught.value.problems] == ["passphrase_file", "every_events"]
    assert caught.value.problems[0] == Problem(
        "passphrase_file", f"{file} may be written by others", f"chmod go-w {file}"
    )


def test_nested_file_is_named_with_its_path(tmp_path: Path) -> None:
    kafka = {"username": "u", "password_file": tmp_path / "absent"}

    with pytest.raises(ConfigurationError) as caught:
        AuditConfig(kafka_brokers="k:1", encryption_enabled=False, fallback_enabled=False, kafka_config=kafka)  # type: ignore[arg-type]

    assert [problem.field for problem in caught.value.problems] == ["kafka_config.password_file"]


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"\nx", "empty"), (b"x" * 5_000, "too long"), (b"\xff\xfe", "UTF-8")]
)
def test_unusable_content_is_not_shown(file: Path, content: bytes, reason: str) -> None:
    file.write_bytes(content)

    with pytest.raises(ConfigurationError, match=reason) as caught:
        read_secret(file)

    assert "xxx" not in str(caught.value)


def test_fifo_and_folder_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)

    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(ConfigurationError, match="not a regular file"):
            read_secret(path)


def test_credentials_of_a_unit(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="CREDENTIALS_DIRECTORY, which is not set"):
        read_secret(Path("$CREDENTIALS_DIRECTORY/secret"))

    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(file.parent))
    file.chmod(0o400)
    for spelling in ("$CREDENTIALS_DIRECTORY/secret", "${CREDENTIALS_DIRECTORY}/secret"):
        assert read_secret(Path(spelling)).get_secret_value() == SECRET


def test_file_that_all_may_read_is_warned_about(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.chmod(0o644)

    with caplog.at_level(logging.WARNING, "telemetry"):
        assert read_secret(file).get_secret_value() == SECRET

    assert f"chmod o-r {file}" in caplog.text
    assert SECRET not in caplog.text


def test_environment_names_a_file(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = tmp_path / "telemetry.toml"
    toml.write_text(
        '[audit_config]\nkafka_brokers = "k:1"\nfallback_enabled = false\n[audit_config.encryption_config]\n'
        'provider = "local_key"\nkey_path = "key"\npassphrase = "the one of the file"\n'
    )
    toml.chmod(0o600)
    # The variable wins over the file, as every variable does: a secret and the name of its file are one value.
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__ENCRYPTION_CONFIG__PASSPHRASE_FILE", str(file))
    config = TelemetryConfig.load(toml).audit_config.encryption_config
    assert config is not None
    assert config.passphrase is not None
    assert config.passphrase.get_secret_value() == SECRET

    # An argument wins over both.
    given = TelemetryConfig.load(toml, audit_config={"encryption_config": {"passphrase": "argument"}}).audit_config
    assert given.encryption_config is not None
    assert given.encryption_config.passphrase == SecretStr("argument")


def test_absent_file_is_left_to_its_reader(tmp_path: Path) -> None:
    require_unchangeable(tmp_path / "absent", field="ca_path")

    loose = tmp_path / "ca.pem"
    loose.touch()
    loose.chmod(0o666)
    with pytest.raises(ConfigurationError, match=r"ca_path: .* may be written by others"):
        require_unchangeable(loose, field="ca_path")


def _locals_of(error: BaseException) -> str:
    """Return the local variables of every frame of a traceback, as an error reporter would send them."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        if "/telemetry/" in trace.tb_frame.f_code.co_filename:
            frames.append(repr(trace.tb_frame.f_locals))
        trace = trace.tb_next
    return "".join(frames)


def test_secret_is_in_no_traceback(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(SECRET.encode() + b"\xff")
    with pytest.raises(ConfigurationError) as caught:
        read_secret(file)
    assert SECRET not in _locals_of(caught.value)

    toml = tmp_path / "telemetry.toml"
    toml.write_text(
        '[audit_config]\nkafka_brokers = "k:1"\nread_audit = "required"\n[audit_config.encryption_config]\n'
        f'provider = "local_key"\nkey_path = "key"\npassphrase = "{SECRET}"\n'
    )
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__READ_AUDIT", "off")
    with pytest.raises(ConfigurationError) as caught:
        TelemetryConfig.load(toml)
    assert SECRET not in _locals_of(caught.value)
