"""The signing key's file: private, refused when damaged or foreign, and the same key after a new passphrase."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from telemetry.encryption.providers import local_key
from telemetry.encryption.signing_key import SigningKey, change_passphrase, describe
from telemetry.exceptions import ConfigurationError
from telemetry.format.proof.signed_note import PublicKey

PASSPHRASE = "correct horse battery staple"


@pytest.fixture(scope="module")
def key_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("signing") / "signing.key"
    SigningKey.create(path, PASSPHRASE, name="payments")
    return path


def test_loaded_key_signs_verifiably(key_path: Path) -> None:
    key = SigningKey.load(key_path, PASSPHRASE)
    public = PublicKey.parse(key.public_key)
    assert key.name == public.name == "payments"
    assert public.verify(b"text", key.sign(b"text"))
    assert not public.verify(b"other", key.sign(b"text"))


def test_public_key_is_shown_without_passphrase(key_path: Path) -> None:
    assert describe(key_path).public["public_key"] == SigningKey.load(key_path, PASSPHRASE).public_key


def test_file_is_private_and_reveals_nothing(key_path: Path) -> None:
    assert key_path.stat().st_mode & 0o777 == 0o600
    key = SigningKey.load(key_path, PASSPHRASE)
    private = key._private.private_bytes_raw()
    assert private not in key_path.read_bytes()
    assert private.hex() not in repr(key)


def test_existing_file_is_never_overwritten(key_path: Path) -> None:
    before = key_path.read_bytes()
    with pytest.raises(ConfigurationError, match="exists already"):
        SigningKey.create(key_path, PASSPHRASE, name="payments")
    assert key_path.read_bytes() == before


def test_wrong_passphrase_is_refused(key_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="passphrase") as caught:
        SigningKey.load(key_path, "wrong horse")
    assert "wrong horse" not in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    for call in (lambda path: SigningKey.load(path, PASSPHRASE), describe):
        with pytest.raises(ConfigurationError, match="init-signing"):
            call(tmp_path / "absent")


def test_file_readable_by_others_is_refused(key_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    path.write_bytes(key_path.read_bytes())
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="others"):
        SigningKey.load(path, PASSPHRASE)


def test_another_public_key_written_into_the_file(key_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    path.write_bytes(key_path.read_bytes().replace(b"payments", b"accounts"))
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=r"altered|damaged"):
        SigningKey.load(path, PASSPHRASE)


def test_key_file_for_another_purpose(tmp_path: Path) -> None:
    path = tmp_path / "local.key"
    local_key.create(path, PASSPHRASE)
    with pytest.raises(ConfigurationError, match="telemetry local_key"):
        SigningKey.load(path, PASSPHRASE)


@pytest.mark.parametrize("name", ["", "two words", "a+b"])
def test_name_unfit_for_a_signature(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="name"):
        SigningKey.create(tmp_path / "signing.key", PASSPHRASE, name=name)
    assert not (tmp_path / "signing.key").exists()


def test_new_passphrase_keeps_the_key(key_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    path.write_bytes(key_path.read_bytes())
    path.chmod(0o600)
    change_passphrase(path, PASSPHRASE, "another one")
    assert SigningKey.load(path, "another one").public_key == describe(key_path).public["public_key"]
    with pytest.raises(ConfigurationError):
        SigningKey.load(path, PASSPHRASE)


def test_signing_key_is_not_pickled_or_copied(key_path: Path) -> None:
    key = SigningKey.load(key_path, PASSPHRASE)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="pickled or copied"):
            attempt(key)
