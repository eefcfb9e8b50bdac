"""A wrap for a recovery key, as the document and not the library writes it, opens with the private key."""

from __future__ import annotations

import json
from pathlib import Path

from telemetry.config import EncryptionConfig
from telemetry.encryption.providers.key_file import MIN_ITERATIONS, create_key_file
from telemetry.encryption.providers.recovery_key import PURPOSE, RecoveryKeyProvider
from tests.vectors.make_recovery_key import CONTEXT, DATA_KEY, PRIVATE, make

VECTOR = json.loads(Path(__file__).with_name("recovery_key.json").read_text("utf-8"))
PASSPHRASE = "correct horse battery staple"


def test_generator_gives_the_published_vector() -> None:
    assert make() == VECTOR


def test_published_wrap_opens(tmp_path: Path) -> None:
    public = {"public_key": VECTOR["public_key"]}
    path = tmp_path / "recovery"
    create_key_file(path, PRIVATE, PASSPHRASE, purpose=PURPOSE, iterations=MIN_ITERATIONS, public=public)
    config = EncryptionConfig(provider="recovery_key", key_path=path, passphrase=PASSPHRASE)  # type: ignore[arg-type]
    with RecoveryKeyProvider(config) as provider:
        assert provider.unwrap(bytes.fromhex(VECTOR["wrapped"]), VECTOR["key_uri"], CONTEXT) == DATA_KEY
        assert provider.wrap(DATA_KEY, CONTEXT).key_uri == VECTOR["key_uri"]
