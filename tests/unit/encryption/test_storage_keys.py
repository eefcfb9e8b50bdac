"""Content keys are found again by the storage secret, or by a key service that may unwrap."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from telemetry.config import EncryptionConfig
from telemetry.encryption import Context, DataKey, EncryptionProvider, EncryptionProviderFactory
from telemetry.encryption.storage_keys import PURPOSE, StorageKeys
from telemetry.encryption.storage_secret import StorageSecret, StorageSecrets
from telemetry.exceptions import (
    ConfigurationError,
    EncryptionError,
    KeyAccessDeniedError,
    KeyMismatchError,
    KeyNotFoundError,
    KeyUnreachableError,
)
from tests.support.until import until

SECRET = StorageSecret.of_bytes(b"1" * 32)
SOURCE = "/production/shop"


class WriterOnly(EncryptionProvider):
    """A key service that wraps and does not unwrap."""

    def __init__(self, error: EncryptionError | None = None) -> None:
        self.contexts: list[Context] = []
        self.unwraps = 0
        self._error = error

    def generate_data_key(self, context: Context) -> DataKey:
        if self._error is not None:
            raise self._error
        self.contexts.append(context)
        return DataKey(plaintext=b"w" * 32, wrapped=b"wrapped", key_uri="test://kek")

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        del wrapped, key_uri, context
        self.unwraps += 1
        message = "may not unwrap"
        raise KeyAccessDeniedError(message)

    def check(self) -> None:
        """Nothing can be missing."""


def keys(*secrets: StorageSecret, provider: EncryptionProvider | None = None, source: str = SOURCE) -> StorageKeys:
    return StorageKeys(StorageSecrets(secrets), sources=[source], provider=provider)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[EncryptionProvider]:
    config = EncryptionConfig(
        provider="local_key", key_path=tmp_path / "key", passphrase=SecretStr("correct horse battery")
    )
    with EncryptionProviderFactory.create(config) as provider:
        provider.check()
        yield provider


def test_secret_opens_what_it_created() -> None:
    created = keys(SECRET).create(b"object")

    assert keys(SECRET).open(created.stored, b"object") == created.plaintext
    assert keys(SECRET).open(created.stored, b"spool") != created.plaintext
    assert created.stored.wrapped is None


def test_each_key_is_new() -> None:
    one = keys(SECRET)
    assert len({one.create(b"object").plaintext for _ in range(10)}) == 10


def test_former_secret_opens() -> None:
    created = keys(SECRET).create(b"object")

    assert keys(StorageSecret.of_bytes(b"2" * 32), SECRET).open(created.stored, b"object") == created.plaintext


def test_unknown_secret_says_which() -> None:
    created = keys(SECRET).create(b"object")

    with pytest.raises(KeyNotFoundError, match=SECRET.key_id):
        keys(StorageSecret.of_bytes(b"2" * 32)).open(created.stored, b"object")


def test_reader_without_secret_unwraps(local: EncryptionProvider) -> None:
    writer = keys(SECRET, provider=local)
    writer.fetch_in_background()
    until(lambda: writer.create(b"object").stored.wrapped is not None, what="the wrapped key")
    created = writer.create(b"object")

    assert keys(provider=local).open(created.stored, b"object") == created.plaintext


def test_without_secret_the_key_service_opens(local: EncryptionProvider) -> None:
    writer = keys(provider=local)
    writer.require()
    created = writer.create(b"object")

    assert created.stored.key_id is None
    assert keys(provider=local).open(created.stored, b"object") == created.plaintext
    assert writer.open(created.stored, b"object") == created.plaintext


def test_other_service_or_altered_key_does_not_open(local: EncryptionProvider) -> None:
    created = keys(provider=local).create(b"object")

    with pytest.raises(KeyMismatchError):
        keys(provider=local, source="/production/other").open(created.stored, b"object")
    with pytest.raises(KeyMismatchError):
        keys(provider=local).open(created.stored._replace(sealed=bytes(60)), b"object")


def test_writer_only_opens_by_its_secret() -> None:
    provider = WriterOnly()
    before = keys(SECRET, provider=provider)
    before.require()
    created = before.create(b"object")

    assert keys(SECRET, provider=WriterOnly()).open(created.stored, b"object") == created.plaintext
    assert provider.unwraps == 0


def test_wrap_is_bound_to_a_purpose_of_its_own() -> None:
    provider = WriterOnly()
    keys(provider=provider).require()

    assert [context["purpose"] for context in provider.contexts] == [PURPOSE]


def test_service_that_refuses_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match="storage_secret_file"):
        keys(provider=WriterOnly(KeyAccessDeniedError("no"))).require()


def test_service_that_is_away_stops_no_secret() -> None:
    away = keys(SECRET, provider=WriterOnly(KeyUnreachableError("away")))
    away.require()
    away.fetch_in_background()

    assert away.create(b"object").stored.key_id == SECRET.key_id


def test_nothing_to_seal_under() -> None:
    assert not keys().can_create
    with pytest.raises(EncryptionError):
        keys().create(b"object")


def test_keys_are_in_no_repr() -> None:
    assert "31" * 4 not in repr(keys(SECRET))
