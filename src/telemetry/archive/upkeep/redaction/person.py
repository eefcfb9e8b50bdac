"""Finds the hashes of the Kafka keys under which the events of a person are in an archive."""

from __future__ import annotations

import hashlib
import hmac

from telemetry.config import AuditConfig
from telemetry.format.value.render import key_hash


def key_hashes(config: AuditConfig, *, user: str, service: str) -> tuple[str, ...]:
    """Return the hashes that the events of a person have, with either ``key_mode``.

    Args:
        config: Configuration of the trail; with ``key_hmac_secret`` the hidden keys are found as well.
        user: User id, as the service logs it.
        service: Name of the service.
    """
    clear = f"{user}:{service}".encode()
    keys = [clear]
    if config.key_hmac_secret is not None:
        secret = config.key_hmac_secret.get_secret_value().encode()
        keys.append(hmac.new(secret, clear, hashlib.sha256).hexdigest().encode())
    return tuple(key_hash(key).decode() for key in keys)
