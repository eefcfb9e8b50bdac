"""The storage secret: one root from a text, a file or a key, other keys for each purpose, former ones still found."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from telemetry.config import AuditConfig, EncryptionConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.encryption.signing_key import SigningKey
from telemetry.encryption.storage_secret import StorageSecret, StorageSecrets, read_secret_file
from telemetry.exceptions import ConfigurationError, KeyNotFoundError

RANDOM = "q4xJ0mT7v1Lk9cWf2HsYbN3rPzE8aUdGiOoXwQ5tR6M="
PASSPHRASE = "correct horse battery staple"


def _config(**fields: Any) -> AuditConfig:
    return AuditConfig(kafka_brokers="localhost:9092", encryption_enabled=False, fallback_enabled=False, **fields)


class _Keks:
    """A key service whose KEK is at hand, once it answers."""

    def __init__(self, *, failures: int = 0) -> None:
        self.failures = failures

    def storage_secrets(self) -> tuple[bytes, ...]:
        self.failures -= 1
        if self.failures >= 0:
            message = "the key file is gone for a moment"
            raise KeyNotFoundError(message)
        return (bytes(32),)


def test_text_gives_one_root() -> None:
    first, second = StorageSecret.of_text(RANDOM), StorageSecret.of_text(f" {RANDOM}\n")

    assert first.key_id == second.key_id
    assert len(first.key_id) == 16
    assert first.derive(b"object", b"salt") == second.derive(b"object", b"salt")


def test_purpose_and_salt_give_other_keys() -> None:
    secret = StorageSecret.of_text(RANDOM)
    keys = {secret.derive(purpose, salt) for purpose in (b"object", b"spool") for salt in (b"1", b"2")}

    assert len(keys) == 4
    assert all(len(key) == 32 for key in keys)


def test_known_root_stays_the_same() -> None:
    # What is stored must open in every later version.
    random, passphrase = StorageSecret.of_text(RANDOM), StorageSecret.of_text(PASSPHRASE)

    assert random.key_id == "1a0f8382bb10a952"
    assert (
        random.derive(b"object", bytes(16)).hex() == "976715aa86338b64a654f13631c4f2e5ccfa4c6d6fde2407763980c82c58db7b"
    )
    assert passphrase.key_id == "9f503bc95040ac43"


@pytest.mark.parametrize("text", ["ab" * 32, "AB" * 32, "0123456789abcdef" * 5])
def test_hexadecimal_is_random_bytes(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.encryption.storage_secret.PBKDF2HMAC", None)

    assert StorageSecret.of_text(text)


def test_long_words_are_a_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.encryption.storage_secret.PBKDF2HMAC", None)

    with pytest.raises(TypeError):  # it would have been stretched
        StorageSecret.of_text("correcthorsebatterystaplecorrecthorsebattery")


@pytest.mark.parametrize("text", ["", "short", "x" * 15, "x" * 5_000])
def test_short_or_huge_secret_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="storage_secret") as caught:
        StorageSecret.of_text(text)
    assert text[:4] not in str(caught.value) or not text


def test_secret_is_in_no_repr_pickle_or_copy() -> None:
    secret = StorageSecret.of_text(RANDOM)

    assert repr(secret) == f"StorageSecret(key_id={secret.key_id!r})"
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            attempt(secret)


def test_no_secret_and_no_key_give_none() -> None:
    secrets = StorageSecrets.of(_config())

    assert secrets.current is None
    assert list(secrets) == []


def test_configured_secret_wins_and_others_are_found(tmp_path: Path) -> None:
    key = SigningKey.create(tmp_path / "signing.key", PASSPHRASE, name="payments")
    derived = StorageSecrets.of(_config(), signing_key=key).current
    assert derived is not None

    secrets = StorageSecrets.of(
        _config(storage_secret=RANDOM, former_storage_secrets=(SecretStr("ab" * 32),)),
        signing_key=key,
        keys=_Keks(),
    )

    assert secrets.current is not None
    assert secrets.current.key_id == StorageSecret.of_text(RANDOM).key_id
    assert secrets.find(derived.key_id) is not None
    assert secrets.find(StorageSecret.of_text("ab" * 32).key_id) is not None
    assert len(list(secrets)) == 4
    assert secrets.find("0" * 16) is None


def test_key_that_was_away_is_found_later() -> None:
    secrets = StorageSecrets.of(_config(), keys=_Keks(failures=1))

    with pytest.raises(KeyNotFoundError):
        _ = secrets.current
    assert secrets.current is not None


def test_local_key_gives_a_secret_in_each_process(tmp_path: Path) -> None:
    config = EncryptionConfig(provider="local_key", key_path=tmp_path / "key", passphrase=SecretStr(PASSPHRASE))
    with EncryptionProviderFactory.create(config) as first, EncryptionProviderFactory.create(config) as second:
        first.check()
        assert first.storage_secrets() == second.storage_secrets()
        assert len(first.storage_secrets()[0]) == 32


def test_file_gives_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(f"{RANDOM}\nmore\n")
    path.chmod(0o600)

    assert read_secret_file(path, field="storage_secret_file") == RANDOM
    secrets = StorageSecrets.of(_config(storage_secret_file=path, former_storage_secret_files=(path,)))
    assert [secret.key_id for secret in secrets] == [StorageSecret.of_text(RANDOM).key_id]


@pytest.mark.parametrize(("mode", "content"), [(0o644, RANDOM), (0o622, RANDOM), (0o600, ""), (0o600, "x" * 5_000)])
def test_file_of_others_or_without_text_is_refused(tmp_path: Path, mode: int, content: str) -> None:
    path = tmp_path / "secret"
    path.write_text(content)
    path.chmod(mode)

    with pytest.raises(ConfigurationError, match="storage_secret_file") as caught:
        read_secret_file(path, field="storage_secret_file")
    assert RANDOM not in str(caught.value)


def test_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_secret_file(tmp_path / "absent", field="storage_secret_file")


def test_text_and_file_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="storage_secret_file"):
        _config(storage_secret=RANDOM, storage_secret_file=tmp_path / "secret")
