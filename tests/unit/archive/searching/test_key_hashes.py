"""By which hashes a user is found: that of the clear Kafka key, and that of the hidden one."""

from __future__ import annotations

import hashlib
import hmac

from pydantic import SecretStr

from telemetry.archive.searching.key_hashes import key_hashes_of
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.format.value.render import key_hash

SECRET = "a secret of at least thirty-two characters"
SERVICES = [("production", "shop"), ("test", "shop"), ("production", "clinic")]


def _config(**fields: object) -> TelemetryConfig:
    audit = AuditConfig(
        kafka_brokers="localhost:1",
        security_protocol="PLAINTEXT",
        encryption_enabled=False,
        fallback_enabled=False,
        **fields,  # type: ignore[arg-type]
    )
    return TelemetryConfig(audit_config=audit)


def test_clear_key_of_each_service() -> None:
    hashes = key_hashes_of(_config(), ["ada"], SERVICES)

    assert hashes == [key_hash(b"ada:shop").decode(), key_hash(b"ada:clinic").decode()]


def test_hidden_key_beside_the_clear_one() -> None:
    config = _config(key_mode="hmac", key_hmac_secret=SecretStr(SECRET))
    hidden = hmac.new(SECRET.encode(), b"ada:shop", hashlib.sha256).hexdigest().encode()

    assert key_hashes_of(config, ["ada"], SERVICES[:1]) == [key_hash(b"ada:shop").decode(), key_hash(hidden).decode()]


def test_nobody_and_nowhere() -> None:
    assert key_hashes_of(_config(), [], SERVICES) == []
    assert key_hashes_of(_config(), ["ada"], []) == []
