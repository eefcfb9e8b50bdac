"""Finds the hashes by which records name a user: that of the Kafka key, in each form that a service may use."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable
from contextlib import ExitStack

from pydantic import SecretStr

from telemetry.config import TelemetryConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.format.value.message import source_of
from telemetry.format.value.render import key_hash
from telemetry.format.value.subject.subject_key import SubjectKey


def key_hashes_of(config: TelemetryConfig, users: Iterable[str], services: Iterable[tuple[str, str]]) -> list[str]:
    """Return the hashes of the Kafka keys that users have.

    No key service is asked, unless the configuration names a store of subject keys: then the users' keys are looked for
    there, and of a user who was forgotten nothing is found.

    Args:
        config: Its ``key_hmac_secret`` and ``subject_keys`` say how keys are hidden.
        users: Ids of the users.
        services: Environment and name of each service whose events are searched.

    Raises:
        KeyServiceError: The store of subject keys or the key service is not available.
    """
    secret = config.audit_config.key_hmac_secret
    hashes = dict[str, None]()
    with ExitStack() as stack:
        subjects = _Subjects(config, stack) if config.audit_config.subject_keys is not None else None
        for environment, service in services:
            for user in users:
                keys = _lasting_keys(user, service, secret)
                if subjects is not None:
                    keys += subjects.keys_of(user, keys[0], source=source_of(environment, service))
                hashes |= dict.fromkeys(key_hash(each).decode() for each in keys)
    return list(hashes)


def has_subject_key(config: TelemetryConfig, user: str, service: str, *, keyhashes: Collection[str]) -> bool:
    """Return whether one of a user's hashes is that of a key which only the store of subject keys leads to.

    Args:
        config: The configuration that the hashes were found with.
        user: The user.
        service: Name of the service.
        keyhashes: What :func:`key_hashes_of` has found.
    """
    lasting = _lasting_keys(user, service, config.audit_config.key_hmac_secret)
    return not {key_hash(each).decode() for each in lasting}.issuperset(keyhashes)


def _lasting_keys(user: str, service: str, secret: SecretStr | None) -> list[bytes]:
    """Return the Kafka keys that a user keeps, forgotten or not: the one in the clear, then the hidden one."""
    key = f"{user}:{service}".encode("utf-8", "surrogatepass")
    if secret is None:
        return [key]
    return [key, hmac.new(secret.get_secret_value().encode(), key, hashlib.sha256).hexdigest().encode()]


class _Subjects:
    """The Kafka keys of users whose content is sealed under keys of their own."""

    def __init__(self, config: TelemetryConfig, stack: ExitStack) -> None:
        # A trail without such keys does not load this.
        from telemetry.encryption.subjects.opening import subject_keys_of  # noqa: PLC0415

        encryption = config.audit_config.encryption_config
        provider = EncryptionProviderFactory.create(encryption) if encryption is not None else None
        if provider is not None:
            stack.callback(provider.close)
        self._keys = subject_keys_of(config, provider) if provider is not None else None
        if self._keys is not None:
            stack.callback(self._keys.close)

    def keys_of(self, user: str, key: bytes, *, source: str) -> list[bytes]:
        if self._keys is None:
            return []
        found = self._keys.open(self._keys.find(user, source=source))
        return [each.kafka_key(key) for each in found.values() if isinstance(each, SubjectKey)]
