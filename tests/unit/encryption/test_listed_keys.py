from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from telemetry.config import EncryptionConfig
from telemetry.encryption import Context, DataKey, EncryptionProvider, EncryptionProviderFactory
from telemetry.encryption.listed_keys import ListedKeys
from telemetry.exceptions import KeyMismatchError, KeyNotFoundError, KeyNotListedError, KeyUnreachableError

CONTEXT = {"service": "shop", "environment": "production", "purpose": "telemetry-audit", "format": "1"}
PASSPHRASE = "correct horse battery staple"


class OneKey(EncryptionProvider):
    """Unwraps under one URI, or raises what it was told; it counts what it is asked."""

    def __init__(self, uri: str, *, error: Exception | None = None, knows_itself: bool = True) -> None:
        self.uri = uri
        self.error = error
        self.knows_itself = knows_itself
        self.asked = 0
        self.is_closed = False

    def generate_data_key(self, context: Context) -> DataKey:  # noqa: ARG002 - any context
        return DataKey(plaintext=bytes(32), wrapped=self.uri.encode(), key_uri=self.uri)

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:  # noqa: ARG002 - any context
        self.asked += 1
        if self.error is not None:
            raise self.error
        if key_uri != self.uri:
            message = "not mine"
            raise KeyMismatchError(message)
        return wrapped

    def admits(self, key_uri: str) -> bool:
        return key_uri == self.uri if self.knows_itself else super().admits(key_uri)

    def check(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.is_closed = True


def local(path: Path, **fields: Any) -> EncryptionProvider:
    values: dict[str, Any] = {"provider": "local_key", "key_path": path, "passphrase": PASSPHRASE}
    return EncryptionProviderFactory.create(EncryptionConfig(**{**values, **fields}))


def test_only_the_named_key_is_asked() -> None:
    current, first, second = OneKey("a://3"), OneKey("a://1"), OneKey("a://2")
    keys = ListedKeys(current, [first, second])
    assert keys.unwrap(b"x", "a://2", CONTEXT) == b"x"
    assert [current.asked, first.asked, second.asked] == [0, 0, 1]
    assert keys.generate_data_key(CONTEXT).key_uri == "a://3"


def test_unlisted_key_is_named_with_the_remedy() -> None:
    keys = ListedKeys(OneKey("a://2"), [OneKey("a://1")])
    with pytest.raises(KeyNotListedError, match=r"'a://9'.*previous_keys"):
        keys.unwrap(b"x", "a://9", CONTEXT)


def test_key_that_cannot_tell_is_tried_before_the_current() -> None:
    current, old = OneKey("a://2"), OneKey("a://1", knows_itself=False)
    keys = ListedKeys(current, [old])
    assert keys.unwrap(b"x", "a://2", CONTEXT) == b"x"
    assert [old.asked, current.asked] == [1, 1]


def test_outage_says_more_than_another_key() -> None:
    away = OneKey("a://1", error=KeyUnreachableError("away"), knows_itself=False)
    keys = ListedKeys(OneKey("a://2", knows_itself=False), [away])
    with pytest.raises(KeyUnreachableError, match="away"):
        keys.unwrap(b"x", "a://1", CONTEXT)


def test_every_key_is_closed() -> None:
    keys = [OneKey("a://2"), OneKey("a://1")]
    ListedKeys(keys[0], keys[1:]).close()
    assert all(key.is_closed for key in keys)


def test_trail_across_two_key_files(tmp_path: Path) -> None:
    with local(tmp_path / "old") as old:
        before = old.generate_data_key(CONTEXT)
    with local(tmp_path / "new", previous_keys=[{"key_path": tmp_path / "old"}]) as keys:
        assert keys.unwrap(before.wrapped, before.key_uri, CONTEXT) == before.plaintext
        after = keys.generate_data_key(CONTEXT)
        assert keys.unwrap(after.wrapped, after.key_uri, CONTEXT) == after.plaintext
        assert len(set(keys.storage_secrets())) == 2


def test_lost_key_file_is_not_created_again(tmp_path: Path) -> None:
    with local(tmp_path / "lost") as lost:
        before = lost.generate_data_key(CONTEXT)
    (tmp_path / "lost").unlink()
    with local(tmp_path / "new", previous_keys=[{"key_path": tmp_path / "lost"}]) as keys:
        keys.check()
        after = keys.generate_data_key(CONTEXT)
        assert keys.unwrap(after.wrapped, after.key_uri, CONTEXT) == after.plaintext
        with pytest.raises(KeyNotFoundError):
            keys.unwrap(before.wrapped, before.key_uri, CONTEXT)
        assert len(keys.storage_secrets()) == 1
    assert not (tmp_path / "lost").exists()
