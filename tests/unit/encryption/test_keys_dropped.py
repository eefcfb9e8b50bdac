"""Plaintext keys are reachable from no object once they are used up or closed, and never as bytes."""

from __future__ import annotations

import base64
import copy
import gc
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from telemetry import Telemetry
from telemetry.config import EncryptionConfig
from telemetry.encryption import DataKey
from telemetry.encryption.data_key import ActiveKey, DataKeyring
from telemetry.encryption.providers.local_key import LocalKeyProvider
from telemetry.encryption.unwrap_cache import OpenedKey, UnwrapCache
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig, StorageConfig

CONTEXT = {"service": "shop"}
KINDS = (ActiveKey, OpenedKey, DataKey)


class Watch:
    """Every plaintext key that was made or unwrapped, written so that the search does not find the note itself."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._of_other_tests = [found for found in gc.get_objects() if isinstance(found, KINDS)]

    def note(self, key: bytes) -> None:
        self.seen.append(base64.b85encode(key).decode())

    def holders(self) -> list[str]:
        """Return what still refers to one of the keys as bytes, or keeps a cipher made of one."""
        for thread in threading.enumerate():
            if thread.name == "telemetry-keys":
                thread.join(20)
        gc.collect()
        keys = frozenset(base64.b85decode(text) for text in self.seen)
        held = [
            f"{type(holder).__name__} holds the bytes of a key"
            for holder in gc.get_objects()
            if holder is not keys
            for found in gc.get_referents(holder)
            if isinstance(found, bytes | bytearray) and bytes(found) in keys
        ]
        others = {id(found) for found in self._of_other_tests}
        return held + [
            type(found).__name__ for found in gc.get_objects() if isinstance(found, KINDS) and id(found) not in others
        ]


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch, made, unwrap = Watch(), DataKey.__init__, LocalKeyProvider.unwrap

    def noted(self: DataKey, *, plaintext: bytes, wrapped: bytes, key_uri: str) -> None:
        watch.note(plaintext)
        made(self, plaintext=plaintext, wrapped=wrapped, key_uri=key_uri)

    def unwrapped(self: LocalKeyProvider, *arguments: Any) -> bytes:
        plaintext = unwrap(self, *arguments)
        watch.note(plaintext)
        return plaintext

    monkeypatch.setattr(DataKey, "__init__", noted)
    monkeypatch.setattr(LocalKeyProvider, "unwrap", unwrapped)
    return watch


@pytest.fixture
def encryption(tmp_path: Path) -> EncryptionConfig:
    return EncryptionConfig(provider="local_key", key_path=tmp_path / "kek", passphrase=SecretStr("correct horse"))


@pytest.fixture
def config(encryption: EncryptionConfig, tmp_path: Path) -> Iterator[AuditConfig]:
    with EmbeddedKafka() as kafka:
        yield AuditConfig(
            kafka_brokers=kafka.bootstrap_servers,
            security_protocol="PLAINTEXT",
            encryption_config=encryption,
            storage_config=StorageConfig(provider="local_file", base_path=tmp_path / "fallback"),
            data_key_max_uses=50,
        )


async def test_keys_of_a_process_that_logs(config: AuditConfig, watch: Watch) -> None:
    telemetry = Telemetry(config)
    await telemetry.start()
    for number in range(120):
        await telemetry.audit.log("user_login", {"n": number}, "ada")

    # The sealing library keeps the key in use; nothing else does, and the two that are used up are gone.
    held = watch.holders()
    assert len(watch.seen) >= 4, "the trial and three data keys"
    assert set(held) == {"ActiveKey"}
    assert len(held) <= 2, "the key in use, and the next one"

    await telemetry.shutdown()
    assert watch.holders() == []


def test_keys_of_a_reader(encryption: EncryptionConfig, watch: Watch) -> None:
    provider = LocalKeyProvider(encryption)
    cache = UnwrapCache(provider)
    for _ in range(3):
        made = provider.generate_data_key(CONTEXT)
        cache.open_key(made.wrapped, made.key_uri, CONTEXT)
    del made
    assert watch.holders() == ["OpenedKey"] * 3

    cache.close()
    provider.close()
    assert watch.holders() == []


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_whatever_holds_a_key_is_not_copied(encryption: EncryptionConfig, take: Callable[[object], object]) -> None:
    provider = LocalKeyProvider(encryption)
    ring = DataKeyring(provider, context=CONTEXT, max_age=60, max_uses=10, max_bytes=1_000, grace=0)
    ring.request().result(30)
    key = ring.take(1)
    cache = UnwrapCache(provider)
    assert key is not None
    opened = cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    for holder in (key, opened, provider):
        assert not hasattr(holder, "__dict__") or holder is provider
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            take(holder)
    for keeper in (ring, cache):
        if take is not copy.copy:  # a shallow copy shares the keys, which stay where they are
            with pytest.raises(TypeError):
                take(keeper)
    ring.close()
    cache.close()
    provider.close()


def test_close_forgets_keys_that_callers_hold_on_to(encryption: EncryptionConfig, watch: Watch) -> None:
    provider = LocalKeyProvider(encryption)
    ring = DataKeyring(provider, context=CONTEXT, max_age=60, max_uses=10, max_bytes=1_000, grace=0)
    waiting = ring.request()
    waiting.result(30)
    ring.close()
    assert waiting.result(0) is None
    assert ring.last_error is None
    assert watch.holders() == []
    provider.close()
