"""Creates and finds the content keys of stored objects and spool segments.

A content key is derived from the storage secret with a new salt. It is also sealed under a data key of this process that the
key service has wrapped, so that a reader who may unwrap, and has no secret, opens the object too. Where there is no storage
secret, a random content key is sealed in that way alone.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections.abc import Iterable
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.config import SigningConfig, TelemetryConfig
from telemetry.encryption.context import require_data_key
from telemetry.encryption.provider import DATA_KEY_BYTES, Context, EncryptionProvider
from telemetry.encryption.signing_key import SigningKey
from telemetry.encryption.storage_secret import SecretHolder, StorageSecrets
from telemetry.exceptions import (
    ConfigurationError,
    EncryptionError,
    KeyMismatchError,
    KeyNotFoundError,
    Problem,
    TelemetryError,
)
from telemetry.format.objects.sealed_object import ContentKey
from telemetry.format.objects.stored_key import SALT_BYTES, StoredKey
from telemetry.format.value.message import context_of, source_of

logger = logging.getLogger("telemetry.encryption")

PURPOSE = "telemetry-storage"
"""Purpose in the context of the data key that seals content keys: it opens no event."""

_IV_BYTES = 12
_BOUND = b"telemetry content key v1\x00"
_MAX_OPENED = 256


def storage_context(source: str) -> dict[str, str]:
    """Return the encryption context of what a source stores."""
    return {**context_of(source), "purpose": PURPOSE}


class _Wrap:
    """A data key of this process, and its form that the key service wrapped; in no ``repr`` or pickle."""

    __slots__ = ("cipher", "key_uri", "wrapped")

    def __init__(self, cipher: AESGCM, *, wrapped: bytes, key_uri: str) -> None:
        self.cipher = cipher
        self.wrapped = wrapped
        self.key_uri = key_uri

    def __reduce__(self) -> NoReturn:
        message = "a data key cannot be pickled or copied"
        raise TypeError(message)


class _SigningKeyFile:
    """The signing key of a process that only reads: its file is opened when a stored object cannot be opened otherwise."""

    def __init__(self, config: SigningConfig) -> None:
        self._config = config

    def derive_secret(self, info: bytes) -> bytes:
        return SigningKey.load(self._config.key_path, self._config.passphrase).derive_secret(info)


def storage_keys_of(
    config: TelemetryConfig, *, provider: EncryptionProvider | None = None, signing_key: SecretHolder | None = None
) -> StorageKeys:
    """Return the storage keys of a service.

    Args:
        config: Names service, storage secrets and signing key.
        provider: Key service that wraps and unwraps; None to do without it.
        signing_key: The opened signing key; without it the configured one is opened when it is needed.
    """
    audit, signing = config.audit_config, config.audit_config.signing_config
    if signing_key is None and signing is not None:
        signing_key = _SigningKeyFile(signing)
    secrets_of = StorageSecrets.of(audit, signing_key=signing_key, keys=provider)
    return StorageKeys(secrets_of, sources=[source_of(config.environment, config.service_name)], provider=provider)


class StorageKeys:
    """The content keys of one service. May be called from several threads.

    Args:
        secrets: The storage secrets.
        sources: CloudEvents sources whose objects it opens; what it creates belongs to the first.
        provider: Key service that wraps and unwraps; None where a process has none, or must not ask it.
    """

    def __init__(
        self, secrets: StorageSecrets, *, sources: Iterable[str], provider: EncryptionProvider | None = None
    ) -> None:
        self._secrets = secrets
        self._contexts: list[Context] = [storage_context(source) for source in sources]
        self._provider = provider
        self._lock = threading.Lock()
        self._wrap: _Wrap | None = None
        self._opened: dict[bytes, AESGCM] = {}

    @property
    def can_create(self) -> bool:
        """Whether there is anything to seal under."""
        return self._secrets.current is not None or self._provider is not None

    @property
    def secrets(self) -> StorageSecrets:
        """The storage secrets."""
        return self._secrets

    def require(self) -> None:
        """Fetch what :meth:`create` cannot do without; for the start of a process.

        Raises:
            ConfigurationError: A secret cannot be used; or there is none and the key service does not wrap for it.
        """
        if list(self._secrets) or self._provider is None:
            return
        logger.info(
            "there is no storage secret, signing key or local key: what is stored opens through the key service alone, "
            "and its replay needs the right to unwrap; set storage_secret_file to do without"
        )
        try:
            self._fetch()
        except EncryptionError as exc:
            remedy = f"set storage_secret_file, or let the key service wrap for the purpose {PURPOSE}"
            raise ConfigurationError(Problem("storage_secret_file", f"is not set, and {exc}", remedy)) from exc

    def fetch_in_background(self) -> None:
        """Fetch the wrapped data key without waiting; objects that are stored before it is there open by the secret."""
        if self._provider is not None and self._wrap is None:
            threading.Thread(target=self._try_fetch, name="telemetry-storage-key", daemon=True).start()

    def create(self, purpose: bytes) -> ContentKey:
        """Return a new content key.

        Args:
            purpose: What it seals, such as ``b"object"``.

        Raises:
            EncryptionError: There is no storage secret, and the key service does not answer.
        """
        salt, secret = os.urandom(SALT_BYTES), self._secrets.current
        if secret is not None:
            content = secret.derive(purpose, salt)
        else:
            content = secrets.token_bytes(DATA_KEY_BYTES)
            self._fetch()
        wrap, key_id = self._wrap, None if secret is None else secret.key_id
        if wrap is None:
            return ContentKey(content, StoredKey(salt, key_id))
        iv = os.urandom(_IV_BYTES)
        sealed = iv + wrap.cipher.encrypt(iv, content, _BOUND + purpose + salt)
        return ContentKey(content, StoredKey(salt, key_id, wrap.key_uri, wrap.wrapped, sealed))

    def marks(self, stored: StoredKey) -> bool:
        """Return whether a key that opens shows that this service stored something.

        Anyone who may unwrap can seal a content key for the key service, so with a storage secret only that is a mark.
        """
        return self._secrets.current is None or (
            stored.key_id is not None and self._secrets.find(stored.key_id) is not None
        )

    def open(self, stored: StoredKey, purpose: bytes) -> bytes:
        """Return the content key of something stored.

        Raises:
            KeyNotFoundError: It was stored under another secret, and there is no key service to ask.
            EncryptionError: The key service does not unwrap it, or does not answer.
        """
        secret = self._secrets.find(stored.key_id) if stored.key_id is not None else None
        if secret is not None:
            return secret.derive(purpose, stored.salt)
        provider = self._provider
        if provider is None or stored.wrapped is None or stored.sealed is None or stored.key_uri is None:
            message = (
                f"it is sealed under the storage secret {stored.key_id}, which is not configured; add it to "
                "former_storage_secret_files, or read with the right to unwrap"
            )
            raise KeyNotFoundError(message)
        cipher = self._unwrapped(provider, stored.wrapped, stored.key_uri)
        iv, sealed = stored.sealed[:_IV_BYTES], stored.sealed[_IV_BYTES:]
        try:
            return cipher.decrypt(iv, sealed, _BOUND + purpose + stored.salt)
        except InvalidTag as exc:
            message = "the content key does not open under the data key that is named with it"
            raise KeyMismatchError(message) from exc

    def __repr__(self) -> str:
        return f"StorageKeys(current={self._secrets.current!r})"

    def __reduce__(self) -> NoReturn:
        message = "storage keys cannot be pickled or copied"
        raise TypeError(message)

    def _fetch(self) -> _Wrap:
        with self._lock:
            if self._wrap is None and self._provider is not None:
                key = self._provider.generate_data_key(self._contexts[0])
                self._wrap = _Wrap(AESGCM(key.plaintext), wrapped=key.wrapped, key_uri=key.key_uri)
            if self._wrap is None:
                message = "there is no storage secret and no key service to seal under"
                raise EncryptionError(message)
            return self._wrap

    def _try_fetch(self) -> None:
        try:
            self._fetch()
        except TelemetryError as exc:
            logger.warning(
                "the key service does not wrap for what is stored, which opens by the storage secret alone: %s", exc
            )
        except Exception:
            logger.exception("wrapping a key for what is stored failed; it opens by the storage secret alone")

    def _unwrapped(self, provider: EncryptionProvider, wrapped: bytes, key_uri: str) -> AESGCM:
        """Return the cipher of a process's data key; the key service is asked once for each."""
        wrap = self._wrap
        if wrap is not None and wrap.wrapped == wrapped and wrap.key_uri == key_uri:
            return wrap.cipher
        with self._lock:
            known = self._opened.get(wrapped)
            if known is None:
                known = AESGCM(self._unwrap(provider, wrapped, key_uri))
                if len(self._opened) >= _MAX_OPENED:
                    self._opened.clear()
                self._opened[wrapped] = known
            return known

    def _unwrap(self, provider: EncryptionProvider, wrapped: bytes, key_uri: str) -> bytes:
        refusal = KeyMismatchError("no source is configured whose stored keys could be unwrapped")
        for context in self._contexts:
            try:
                return require_data_key(provider.unwrap(wrapped, key_uri, context), key_uri=key_uri)
            except KeyMismatchError as exc:
                # Another service may share the store and the key: its context is another one of ours.
                refusal = exc
        raise refusal
