from __future__ import annotations

from pydantic import SecretStr

from telemetry.archive.upkeep.redaction.person import key_hashes
from telemetry.config import AuditConfig
from telemetry.format.value.render import key_hash


def config(**parts: object) -> AuditConfig:
    return AuditConfig.model_validate(
        {"kafka_brokers": "broker:9092", "encryption_enabled": False, "fallback_enabled": False, **parts}
    )


def test_clear_keys_are_found_by_their_hash() -> None:
    assert key_hashes(config(), user="alice", service="shop") == (key_hash(b"alice:shop").decode(),)


def test_hidden_keys_are_found_with_the_secret() -> None:
    hidden = config(key_mode="hmac", key_hmac_secret=SecretStr("s" * 32))

    found = key_hashes(hidden, user="alice", service="shop")

    assert len(set(found)) == 2
    assert found[0] == key_hash(b"alice:shop").decode()
    assert key_hashes(hidden, user="alice", service="other")[1] != found[1]
