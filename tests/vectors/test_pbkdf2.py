"""PBKDF2-HMAC-SHA-256 as the key file derives it, against published results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from telemetry.config import EncryptionConfig
from telemetry.encryption.providers import key_file
from telemetry.encryption.providers.local_key import LocalKeyProvider
from tests.vectors.make_local_key import CONTEXT, DATA_KEY, PASSPHRASE, make

# RFC 7914 section 11 gives 64 bytes each; the first 32 are the first block (RFC 8018 section 5.2).
_RFC_7914 = [
    (
        "passwd",
        b"salt",
        1,
        "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc",
    ),
    (
        "Password",
        b"NaCl",
        80_000,
        "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56",
    ),
]
_VECTORS = Path(__file__).with_name("local_key.json")


@pytest.mark.parametrize(("password", "salt", "iterations", "expected"), _RFC_7914)
def test_rfc_7914_section_11(password: str, salt: bytes, iterations: int, expected: str) -> None:
    assert key_file._derive(password, salt, iterations).hex() == expected


def test_generator_still_makes_the_same() -> None:
    assert make() == json.loads(_VECTORS.read_bytes())


@pytest.mark.parametrize("name", ["key_file", "rotated_key_file"])
def test_published_key_file_and_wrapped_key(tmp_path: Path, name: str) -> None:
    vectors, path = json.loads(_VECTORS.read_bytes()), tmp_path / "kek.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(vectors[name]))
    config = EncryptionConfig(provider="local_key", key_path=path, passphrase=PASSPHRASE)  # type: ignore[arg-type]
    with LocalKeyProvider(config) as provider:
        opened = provider.unwrap(bytes.fromhex(vectors["wrapped"]), vectors["key_uri"], CONTEXT)
    assert opened == DATA_KEY
