"""An offline recovery key keeps the contract of a key service, where its private half is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from telemetry.config import EncryptionConfig
from telemetry.encryption import EncryptionProvider, EncryptionProviderFactory
from telemetry.encryption.providers import recovery_key
from telemetry.exceptions import ConfigurationError, KeyAccessDeniedError, KeyNotFoundError
from telemetry.testing import EncryptionProviderContract

PASSPHRASE = "correct horse battery staple"


def config_of(path: Path, **fields: Any) -> EncryptionConfig:
    return EncryptionConfig(provider="recovery_key", key_path=path, passphrase=SecretStr(PASSPHRASE), **fields)


def provider_on(path: Path) -> EncryptionProvider:
    if not path.exists():
        recovery_key.create(path, PASSPHRASE)
    return EncryptionProviderFactory.create(config_of(path))


class TestRecoveryKey(EncryptionProviderContract):
    @pytest.fixture
    def provider(self, tmp_path: Path) -> Iterator[EncryptionProvider]:
        with provider_on(tmp_path / "recovery") as provider:
            yield provider

    @pytest.fixture
    def other(self, tmp_path: Path) -> Iterator[EncryptionProvider]:
        with provider_on(tmp_path / "other") as provider:
            yield provider


def test_public_key_wraps_and_does_not_unwrap(tmp_path: Path) -> None:
    public = recovery_key.create(tmp_path / "recovery", PASSPHRASE).public["public_key"]
    with EncryptionProviderFactory.create(EncryptionConfig(provider="recovery_key", public_key=public)) as writer:
        writer.check()
        made = writer.generate_data_key({"service": "shop"})
        with pytest.raises(KeyAccessDeniedError, match="private recovery key"):
            writer.unwrap(made.wrapped, made.key_uri, {"service": "shop"})
    with provider_on(tmp_path / "recovery") as reader:
        assert reader.unwrap(made.wrapped, made.key_uri, {"service": "shop"}) == made.plaintext


def test_file_of_another_recovery_key(tmp_path: Path) -> None:
    public = recovery_key.create(tmp_path / "recovery", PASSPHRASE).public["public_key"]
    recovery_key.create(tmp_path / "other", PASSPHRASE)
    with EncryptionProviderFactory.create(config_of(tmp_path / "other", public_key=public)) as reader:
        made = reader.generate_data_key({})
        with pytest.raises(KeyAccessDeniedError, match="not the file of this recovery key"):
            reader.unwrap(made.wrapped, made.key_uri, {})


def test_lost_file_and_wrong_passphrase(tmp_path: Path) -> None:
    with EncryptionProviderFactory.create(config_of(tmp_path / "lost")) as reader, pytest.raises(KeyNotFoundError):
        reader.check()
    recovery_key.create(tmp_path / "recovery", "another passphrase")
    reader = EncryptionProviderFactory.create(config_of(tmp_path / "recovery"))
    with reader, pytest.raises(KeyAccessDeniedError, match="passphrase is wrong"):
        reader.check()


def test_existing_file_is_left_alone(tmp_path: Path) -> None:
    recovery_key.create(tmp_path / "recovery", PASSPHRASE)
    with pytest.raises(ConfigurationError, match="exists already"):
        recovery_key.create(tmp_path / "recovery", PASSPHRASE)


# The last is a point of small order, with which everybody has the same secret.
@pytest.mark.parametrize(
    "text", ["", "x25519:", "x25519:AAAA", "ed25519:" + "A" * 43 + "=", "x25519:" + "A" * 43 + "="]
)
def test_text_that_is_no_public_key(text: str) -> None:
    with pytest.raises(ConfigurationError, match="public_key"):
        EncryptionProviderFactory.create(EncryptionConfig(provider="recovery_key", public_key=text))


def test_neither_half_is_configured() -> None:
    with pytest.raises(ConfigurationError, match="public_key"):
        EncryptionProviderFactory.create(EncryptionConfig(provider="recovery_key"))
