"""Short passphrases: they protect no new key file and write no event, but an old trail still opens."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry import open_trail
from telemetry.config import AuditConfig
from telemetry.config.passphrases import require_long
from telemetry.encryption.providers import key_file, local_key
from telemetry.encryption.signing_key import SigningKey, change_passphrase
from telemetry.exceptions import ConfigurationError
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka

SHORT, WEAK, LONG = "short", "8 chars!", "correct horse battery staple"


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as running:
        yield running


def _config(kafka: str, folder: Path, passphrase: str, **changes: Any) -> AuditConfig:
    encryption = {"provider": "local_key", "key_path": folder / "key", "passphrase": passphrase}
    values = {"kafka_brokers": kafka, "security_protocol": "PLAINTEXT", "encryption_config": encryption}
    return AuditConfig(**{**values, "fallback_enabled": False, **changes})


def _created_by_an_earlier_version(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(key_file, "_require_long", lambda _passphrase: None)
        local_key.create(path, SHORT)
        SigningKey.create(path.with_name("signing"), SHORT, name="audit")


@pytest.mark.parametrize(("passphrase", "reason"), [("", "is empty"), ("1234567", "fewer than 8 characters")])
def test_too_short_is_refused_without_its_text(passphrase: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        require_long(passphrase)

    assert not passphrase or passphrase not in str(caught.value)


def test_characters_count_and_not_bytes() -> None:
    with pytest.raises(ConfigurationError):
        require_long("größe")

    require_long("größeßäö")


def test_no_key_file_is_created_with_a_short_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="fewer than 8"):
        local_key.create(tmp_path / "key", SHORT)
    with pytest.raises(ConfigurationError, match="fewer than 8"):
        SigningKey.create(tmp_path / "signing", SHORT, name="audit")
    with pytest.raises(ConfigurationError, match="fewer than 8"):
        Telemetry(_config("127.0.0.1:9", tmp_path, SHORT)).start()

    assert list(tmp_path.iterdir()) == []


def test_no_passphrase_is_changed_to_a_short_one(tmp_path: Path) -> None:
    SigningKey.create(tmp_path / "signing", LONG, name="audit")

    with pytest.raises(ConfigurationError, match="fewer than 8"):
        change_passphrase(tmp_path / "signing", LONG, SHORT)

    assert SigningKey.load(tmp_path / "signing", LONG).name == "audit"


def test_weak_one_is_warned_about(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "telemetry"):
        local_key.create(tmp_path / "key", WEAK)

    assert "fewer than 12 characters" in caplog.text
    assert WEAK not in caplog.text


def test_start_names_each_short_field_and_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _created_by_an_earlier_version(tmp_path / "key", monkeypatch)
    signing = {"key_path": tmp_path / "signing", "passphrase": SHORT}

    with pytest.raises(ConfigurationError) as caught:
        Telemetry(_config("127.0.0.1:9", tmp_path, SHORT, signing_config=signing)).start()

    fields = [problem.field for problem in caught.value.problems]
    assert fields == ["encryption_config.passphrase", "signing_config.passphrase"]
    assert all("telemetry keys change-passphrase" in problem.remedy for problem in caught.value.problems)


def test_old_trail_opens_and_goes_on(tmp_path: Path, kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    brokers = kafka.bootstrap_servers
    _created_by_an_earlier_version(tmp_path / "key", monkeypatch)
    with monkeypatch.context() as earlier:
        earlier.setattr("telemetry.audit.runtime.short_passphrases", lambda _config: [])
        with Telemetry(_config(brokers, tmp_path, SHORT)) as telemetry:
            telemetry.audit.log("login", {}, "ada")

    # 1. A reader opens it, and its own event is written.
    with open_trail(_config(brokers, tmp_path, SHORT)) as trail:
        assert [entry.event.event_type for entry in trail] == ["login"]  # type: ignore[union-attr]
    # 2. A service logs after its passphrase was changed, and everything opens.
    local_key.change_passphrase(tmp_path / "key", SHORT, LONG)
    with Telemetry(_config(brokers, tmp_path, LONG)) as telemetry:
        telemetry.audit.log("logout", {}, "ada")
    with open_trail(_config(brokers, tmp_path, LONG, read_audit="off")) as trail:
        # The service's events and the reader's have other keys, so they may be on other partitions.
        found = [entry.event.event_type for entry in trail]  # type: ignore[union-attr]
    assert sorted(found) == ["login", "logout", "telemetry.read"]
