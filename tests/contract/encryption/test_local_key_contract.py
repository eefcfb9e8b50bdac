"""A key file keeps the contract of a key service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from telemetry.config import EncryptionConfig
from telemetry.encryption import EncryptionProvider, EncryptionProviderFactory
from telemetry.exceptions import KeyNotFoundError
from telemetry.testing import EncryptionProviderContract


def config_of(path: Path) -> EncryptionConfig:
    return EncryptionConfig(provider="local_key", key_path=path, passphrase=SecretStr("correct horse battery staple"))


class TestLocalKey(EncryptionProviderContract):
    disabled_error = KeyNotFoundError

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "keys" / "kek.json"

    @pytest.fixture
    def provider(self, path: Path) -> Iterator[EncryptionProvider]:
        with EncryptionProviderFactory.create(config_of(path)) as provider:
            yield provider

    @pytest.fixture
    def other(self, tmp_path: Path) -> Iterator[EncryptionProvider]:
        with EncryptionProviderFactory.create(config_of(tmp_path / "other.json")) as provider:
            yield provider

    @pytest.fixture
    def disable(self, path: Path) -> Callable[[], None]:
        # check() makes a new key where there is none; the folder's place is taken so that it cannot.
        def take_away() -> None:
            path.parent.rename(path.parent.with_name("taken"))
            path.parent.write_text("")

        return take_away

    @pytest.fixture
    def deny(self, path: Path) -> Callable[[], None]:
        return lambda: path.chmod(0o644)
