"""Plaintext keys are reachable from no object once they are used up or closed, and never as bytes.

Each search looks at every object of a process. It runs in a process of its own, where neither the objects nor the
threads of other tests take part: its result does not depend on what ran before, nor on how fast the machine is.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import gc
import multiprocessing
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from telemetry import Telemetry
from telemetry.config import EncryptionConfig
from telemetry.encryption import DATA_KEY_BYTES, DataKey
from telemetry.encryption.data_key import ActiveKey, DataKeyring
from telemetry.encryption.providers.local_key import LocalKeyProvider
from telemetry.encryption.unwrap.cache import UnwrapCache
from telemetry.encryption.unwrap.opened_keys import OpenedKey
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig, StorageConfig

CONTEXT = {"service": "shop"}
KINDS = (ActiveKey, OpenedKey, DataKey)
PATIENCE = 280


class Watch:
    """Every plaintext key that was generated or unwrapped, in a form that the search does not find itself."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        patch, init, unwrap = pytest.MonkeyPatch(), DataKey.__init__, LocalKeyProvider.unwrap

        def noted(key: DataKey, *, plaintext: bytes, wrapped: bytes, key_uri: str) -> None:
            self._note(plaintext)
            init(key, plaintext=plaintext, wrapped=wrapped, key_uri=key_uri)

        def unwrapped(provider: LocalKeyProvider, *arguments: Any) -> bytes:
            plaintext = unwrap(provider, *arguments)
            self._note(plaintext)
            return plaintext

        patch.setattr(DataKey, "__init__", noted)
        patch.setattr(LocalKeyProvider, "unwrap", unwrapped)

    def _note(self, key: bytes) -> None:
        self.seen.append(base64.b85encode(key).decode())

    def holders(self) -> list[str]:
        """Return what still refers to one of the keys as bytes, or keeps a cipher of one."""
        for thread in threading.enumerate():
            if thread.name == "telemetry-keys":
                thread.join(PATIENCE)
        gc.collect()
        keys = frozenset(base64.b85decode(text) for text in self.seen)
        assert all(len(key) == DATA_KEY_BYTES for key in keys)
        objects = gc.get_objects()
        held = [
            f"{type(holder).__name__} holds the bytes of a key"
            for holder in objects
            if holder is not keys
            for value in gc.get_referents(holder)
            if isinstance(value, bytes | bytearray) and len(value) == DATA_KEY_BYTES and bytes(value) in keys
        ]
        return held + [type(each).__name__ for each in objects if isinstance(each, KINDS)]


def encryption_in(folder: Path) -> EncryptionConfig:
    return EncryptionConfig(provider="local_key", key_path=folder / "kek", passphrase=SecretStr("correct horse"))


def log_and_shut_down(folder: Path) -> None:
    watch = Watch()
    with EmbeddedKafka() as kafka:
        config = AuditConfig(
            kafka_brokers=kafka.bootstrap_servers,
            security_protocol="PLAINTEXT",
            kafka_timeout_ms=60_000,
            encryption_config=encryption_in(folder),
            storage_config=StorageConfig(provider="local_file", base_path=folder / "fallback"),
            data_key_max_uses=50,
            data_key_wait_ms=PATIENCE * 1_000,
        )
        asyncio.run(_log(config, watch))


async def _log(config: AuditConfig, watch: Watch) -> None:
    telemetry = Telemetry(config)
    await telemetry.start()
    for number in range(120):
        await telemetry.audit.log("user_login", {"n": number}, "ada")

    # The sealing library keeps the key in use; nothing else does, and the two that are used up are gone.
    held = watch.holders()
    assert len(watch.seen) >= 4, "the trial and three data keys"
    assert set(held) == {"ActiveKey"}, held
    assert len(held) <= 2, "the key in use, and the next one"

    await telemetry.shutdown(PATIENCE)
    assert watch.holders() == []


def read_and_close(folder: Path) -> None:
    watch = Watch()
    provider = LocalKeyProvider(encryption_in(folder))
    cache = UnwrapCache(provider)
    for _ in range(3):
        key = provider.generate_data_key(CONTEXT)
        cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    assert len(cache) == 3
    opened = cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    del key
    # The cache has the keys encrypted; a cipher is created for those who ask.
    assert watch.holders() == ["OpenedKey"]
    del opened
    assert watch.holders() == []

    cache.close()
    provider.close()
    assert watch.holders() == []


def wait_and_close(folder: Path) -> None:
    watch = Watch()
    provider = LocalKeyProvider(encryption_in(folder))
    ring = DataKeyring(provider, context=CONTEXT, max_age=3_600, max_uses=10, max_bytes=1_000, grace=0)
    waiting = ring.request()
    waiting.result(PATIENCE)
    ring.close()
    assert waiting.result(0) is None
    assert ring.last_error is None
    assert watch.holders() == []
    provider.close()


def run_alone(life: Callable[[Path], None], folder: Path) -> None:
    """Run a function in a process of its own; an assertion that fails there is printed there."""
    process = multiprocessing.get_context("spawn").Process(target=life, args=(folder,))
    process.start()
    process.join(PATIENCE)
    if process.is_alive():
        process.kill()
    assert process.exitcode == 0


@pytest.mark.timeout(300)
def test_keys_of_a_process_that_logs(tmp_path: Path) -> None:
    run_alone(log_and_shut_down, tmp_path)


@pytest.mark.timeout(300)
def test_keys_of_a_reader(tmp_path: Path) -> None:
    run_alone(read_and_close, tmp_path)


@pytest.mark.timeout(300)
def test_future_of_a_caller_keeps_no_key(tmp_path: Path) -> None:
    run_alone(wait_and_close, tmp_path)


@pytest.mark.parametrize("copying", [pickle.dumps, copy.copy, copy.deepcopy])
def test_holders_of_a_key_are_not_copied(copying: Callable[[object], object], tmp_path: Path) -> None:
    provider = LocalKeyProvider(encryption_in(tmp_path))
    ring = DataKeyring(provider, context=CONTEXT, max_age=3_600, max_uses=10, max_bytes=1_000, grace=0)
    ring.request().result(60)
    key = ring.take(1)
    cache = UnwrapCache(provider)
    assert key is not None
    opened = cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    for holder in (key, opened, provider):
        assert not hasattr(holder, "__dict__") or holder is provider
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            copying(holder)
    for keeper in (ring, cache):
        if copying is not copy.copy:  # a shallow copy shares the keys, which stay where they are
            with pytest.raises(TypeError):
                copying(keeper)
    ring.close()
    cache.close()
    provider.close()
