"""Rotation of a key file: the new key wraps, those of before still open, and no change is lost."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import pickle
from pathlib import Path

import pytest
from pydantic import SecretStr

from telemetry.config import EncryptionConfig
from telemetry.encryption.providers import key_file, local_key
from telemetry.encryption.providers.local_keks import KEK_BYTES, MAX_KEKS, LocalKeks, public_facts
from telemetry.encryption.providers.local_key import LocalKeyProvider, change_passphrase, create, describe, rotate
from telemetry.exceptions import ConfigurationError, KeyAccessDeniedError, KeyMismatchError, KeyNotListedError

PASSPHRASE = "correct horse battery staple"
CONTEXT = {"service": "shop"}


def provider_of(path: Path, passphrase: str = PASSPHRASE) -> LocalKeyProvider:
    return LocalKeyProvider(EncryptionConfig(provider="local_key", key_path=path, passphrase=SecretStr(passphrase)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "kek.json"
    create(path, PASSPHRASE)
    return path


def test_new_key_wraps_and_the_old_ones_open(path: Path) -> None:
    made = [provider_of(path).generate_data_key(CONTEXT)]
    for _ in range(2):
        rotate(path, PASSPHRASE)
        made.append(provider_of(path).generate_data_key(CONTEXT))
    assert len({key.key_uri for key in made}) == 3
    reader = provider_of(path)
    for key in made:
        assert reader.admits(key.key_uri)
        assert reader.unwrap(key.wrapped, key.key_uri, CONTEXT) == key.plaintext
    assert len(set(reader.storage_secrets())) == 3
    with pytest.raises(KeyMismatchError):
        reader.unwrap(made[0].wrapped, made[1].key_uri, CONTEXT)
    with pytest.raises(KeyNotListedError, match="previous_keys"):
        reader.unwrap(made[0].wrapped, "local-key://" + "0" * 32, CONTEXT)
    assert not reader.admits("local-key://" + "0" * 32)


def test_running_process_uses_the_new_key(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    running = provider_of(path)
    before = running.generate_data_key(CONTEXT)
    secret = running.storage_secrets()[0]
    rotate(path, PASSPHRASE)
    with caplog.at_level("INFO"):
        after = running.generate_data_key(CONTEXT)
    assert after.key_uri != before.key_uri
    assert "has a new key" in caplog.text
    for key in (before, after):
        assert running.unwrap(key.wrapped, key.key_uri, CONTEXT) == key.plaintext
    assert running.storage_secrets()[1] == secret


def test_file_without_rotation_keeps_its_form(path: Path) -> None:
    assert json.loads(path.read_bytes())["version"] == key_file.ONE_KEY
    change_passphrase(path, PASSPHRASE, "another passphrase")
    assert json.loads(path.read_bytes())["version"] == key_file.ONE_KEY
    rotate(path, "another passphrase")
    content = json.loads(path.read_bytes())
    assert content["version"] == key_file.SEVERAL_KEYS
    assert set(content["public"]) == {"fingerprint", "earlier"}


def test_passphrase_of_a_rotated_file_changes(path: Path) -> None:
    before = provider_of(path).generate_data_key(CONTEXT)
    rotate(path, PASSPHRASE)
    running = provider_of(path)
    facts = describe(path)
    running.generate_data_key(CONTEXT)
    change_passphrase(path, PASSPHRASE, "another passphrase")
    assert describe(path).public == facts.public
    reader = provider_of(path, "another passphrase")
    assert reader.unwrap(before.wrapped, before.key_uri, CONTEXT) == before.plaintext
    # The keys are the same, so a process that runs with the former passphrase continues.
    assert running.unwrap(before.wrapped, before.key_uri, CONTEXT) == before.plaintext


def test_rotation_under_another_passphrase_is_reported(path: Path) -> None:
    running = provider_of(path)
    running.generate_data_key(CONTEXT)
    change_passphrase(path, PASSPHRASE, "another passphrase")
    rotate(path, "another passphrase")
    with pytest.raises(KeyAccessDeniedError, match="passphrase is wrong"):
        running.generate_data_key(CONTEXT)


def test_wrong_passphrase_rotates_nothing(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="passphrase is wrong"):
        rotate(path, "wrong passphrase")
    assert path.read_bytes() == before


def test_failed_write_leaves_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(key_file, "write_durably", fail)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        rotate(path, PASSPHRASE)
    assert path.read_bytes() == before


def test_file_that_is_full(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_key, "MAX_KEKS", 2)
    rotate(path, PASSPHRASE)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="previous_keys"):
        rotate(path, PASSPHRASE)
    assert path.read_bytes() == before


def test_largest_file_can_be_read(path: Path) -> None:
    keks = os.urandom(MAX_KEKS * KEK_BYTES)
    local_key._replace(path, keks, PASSPHRASE, iterations=key_file.MIN_ITERATIONS)
    assert len(provider_of(path).storage_secrets()) == MAX_KEKS


def _rotate(path: Path) -> None:
    # The other process may hold the lock; every rotation that says it succeeded must be in the file.
    while True:
        try:
            rotate(path, PASSPHRASE)
        except ConfigurationError as exc:
            if "another process" not in str(exc):
                raise
        else:
            return


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such lock")
def test_rotations_at_once_lose_no_key(path: Path) -> None:
    first = describe(path).public["fingerprint"]
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.map_async(_rotate, [path] * 6).get(120)
    facts = describe(path).public
    assert len({facts["fingerprint"], *facts["earlier"].split()}) == 7
    assert facts["earlier"].split()[-1] == first


def test_keks_are_in_no_repr_or_pickle() -> None:
    keks = LocalKeks(bytes(range(64)))
    assert "keks=2" in repr(keks)
    assert keks.uri.endswith(public_facts(bytes(range(32)))["fingerprint"])
    for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            duplicate(keks)
