"""Derives the keys of everything that a service stores on its own disk or in its own store: spool and fallback objects.

One *storage secret* is shared by the replicas of a service, so that each of them opens what another one stored, also in a
process that may wrap data keys and not unwrap them. It comes from the configuration, else from the signing key or the
local KEK, by HKDF-SHA-256 (RFC 5869). Knowing it is the mark by which a service recognises what it stored itself.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from telemetry.config import AuditConfig
from telemetry.exceptions import ConfigurationError, Problem, TelemetryError
from telemetry.format import canonical_base64
from telemetry.system.file_trust import FileFault, is_readable_by_all, read_believed

KEY_BYTES = 32
MIN_PASSPHRASE_CHARACTERS = 16
MAX_SECRET_BYTES = 4_096
ROUNDS = 600_000
"""OWASP Password Storage Cheat Sheet for PBKDF2-HMAC-SHA-256."""
FROM_SIGNING_KEY = b"telemetry storage from signing key v1"

# Replicas must derive one key from one passphrase and share nothing else, so the salt is a constant.
_SALT = hashlib.sha256(b"telemetry storage secret v1").digest()
_ROOT = b"telemetry storage root v1"
_ID = b"telemetry storage id v1"
_DERIVED = b"telemetry storage key v1\x00"
_HEX = re.compile(r"(?:[0-9a-f]{2}){32,}|(?:[0-9A-F]{2}){32,}", re.ASCII)
_MIXED = (re.compile(r"[a-z]"), re.compile(r"[A-Z]"), re.compile(r"[0-9]"))


class SecretHolder(Protocol):
    """Holds a private key from which a storage secret can be derived, such as a signing key."""

    def derive_secret(self, info: bytes) -> bytes:
        """Return 32 bytes that only the holder of the key can compute; other bytes for each ``info``."""


class SecretsHolder(Protocol):
    """Holds KEKs from which storage secrets can be derived; an ``EncryptionProvider`` is one."""

    def storage_secrets(self) -> tuple[bytes, ...]:
        """Return 32 bytes for each KEK, that of the present one first; none where a KEK never leaves its service."""


class StorageSecret:
    """A storage secret. Nothing of it is in a ``repr``, pickle or copy.

    Attributes:
        key_id: 16 hexadecimal digits that name the secret without revealing it.
    """

    __slots__ = ("_root", "key_id")

    def __init__(self, root: bytes) -> None:
        self._root = root
        self.key_id = _hkdf(root, info=_ID)[:8].hex()

    @classmethod
    def of_text(cls, text: str) -> StorageSecret:
        """Return the secret of a configured text: 32 or more random bytes in base64 or hexadecimal, else a passphrase.

        A passphrase costs 600,000 rounds of PBKDF2-HMAC-SHA-256, random bytes nothing.

        Raises:
            ConfigurationError: It is too short or too long.
        """
        text = text.strip()
        random = _random_bytes(text)
        if random is not None:
            return cls(_hkdf(random, info=_ROOT))
        if len(text) < MIN_PASSPHRASE_CHARACTERS or len(text.encode()) > MAX_SECRET_BYTES:
            reason = f"has fewer than {MIN_PASSPHRASE_CHARACTERS} characters or more than {MAX_SECRET_BYTES} bytes"
            remedy = "create one with `telemetry keys storage-secret create FILE`"
            raise ConfigurationError(Problem("storage_secret", reason, remedy))
        slow = PBKDF2HMAC(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=_SALT, iterations=ROUNDS)
        return cls(_hkdf(slow.derive(text.encode()), info=_ROOT))

    @classmethod
    def of_bytes(cls, secret: bytes) -> StorageSecret:
        """Return the secret that is derived from 32 secret bytes."""
        return cls(_hkdf(secret, info=_ROOT))

    def derive(self, purpose: bytes, salt: bytes) -> bytes:
        """Return a key of 32 bytes for one purpose and one salt.

        Args:
            purpose: Use of the key, such as ``b"object"``; without a zero byte.
            salt: Random bytes, new for each thing that is stored.
        """
        return _hkdf(self._root, info=_DERIVED + purpose, salt=salt)

    def __repr__(self) -> str:
        return f"StorageSecret(key_id={self.key_id!r})"

    def __reduce__(self) -> NoReturn:
        message = "a storage secret cannot be pickled or copied"
        raise TypeError(message)


class StorageSecrets:
    """The storage secret in use, and the former ones that still open what was stored under them.

    Args:
        secrets: The secret in use first; none where a service has nothing to derive one from. The others are derived when
            they are looked for: a passphrase is slow on purpose.
    """

    def __init__(self, secrets: Iterable[StorageSecret] = ()) -> None:
        self._source = secrets
        self._coming = iter(secrets)
        self._known: dict[str, StorageSecret] = {}
        self._lock = threading.Lock()

    @classmethod
    def of(
        cls, config: AuditConfig, *, signing_key: SecretHolder | None = None, keys: SecretsHolder | None = None
    ) -> StorageSecrets:
        """Return the secrets of a configuration, those that its keys give, and those listed as former ones.

        Args:
            config: Names the secret and the former ones.
            signing_key: The signing key, if one is configured.
            keys: The key service, if one is configured.
        """
        return cls(_Configured(config, signing_key, keys))

    @property
    def current(self) -> StorageSecret | None:
        """The secret under which everything new is stored; None without one.

        Raises:
            ConfigurationError: It is too short, or its file cannot be read or believed.
        """
        return next(iter(self), None)

    def find(self, key_id: str) -> StorageSecret | None:
        """Return the secret of this name, also a former one; None if it is unknown.

        Raises:
            ConfigurationError: A former secret is too short, or its file cannot be read or believed.
        """
        return next((secret for secret in self if secret.key_id == key_id), None)

    def __iter__(self) -> Iterator[StorageSecret]:
        place = 0
        while True:
            with self._lock:
                if place == len(self._known):
                    secret = self._next()
                    if secret is None:
                        return
                    self._known.setdefault(secret.key_id, secret)
                    continue
                secret = list(self._known.values())[place]
            place += 1
            yield secret

    def _next(self) -> StorageSecret | None:
        try:
            return next(self._coming, None)
        except TelemetryError:
            # An iterator that has failed is at its end. The next attempt begins anew: the reason may be gone by then.
            self._coming = iter(self._source)
            raise


def read_secret_file(path: Path, *, field: str) -> str:
    """Return the first line of a file with a secret, which nobody else may write, and not everybody read.

    Raises:
        ConfigurationError: It is absent, empty, too long or not text, or others could have written it.
    """
    try:
        data = read_believed(path, max_bytes=MAX_SECRET_BYTES)
        is_open = is_readable_by_all(path)
    except (OSError, ValueError) as exc:
        reason = f"{path} cannot be read: {getattr(exc, 'strerror', None) or 'its name is unusable'}"
        raise ConfigurationError(Problem(field, reason, "check its path and its owner")) from exc
    if isinstance(data, FileFault):
        raise ConfigurationError(Problem(field, str(data), data.remedy))
    if is_open:
        raise ConfigurationError(Problem(field, f"{path} may be read by everyone", f"chmod 600 {path}"))
    line = data.partition(b"\n")[0].strip()
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if not text:
        raise ConfigurationError(Problem(field, f"the first line of {path} has no text", "write the secret into it"))
    return text


class _Configured:
    """The secrets of a configuration; each iteration derives them anew."""

    def __init__(self, config: AuditConfig, signing_key: SecretHolder | None, keys: SecretsHolder | None) -> None:
        self._config = config
        self._signing_key = signing_key
        self._keys = keys

    def __iter__(self) -> Iterator[StorageSecret]:
        # What is configured comes first. What the keys give stays known, so that naming a secret later loses nothing.
        config = self._config
        if config.storage_secret is not None:
            yield StorageSecret.of_text(config.storage_secret.get_secret_value())
        if config.storage_secret_file is not None:
            yield StorageSecret.of_text(read_secret_file(config.storage_secret_file, field="storage_secret_file"))
        if self._signing_key is not None:
            yield StorageSecret.of_bytes(self._signing_key.derive_secret(FROM_SIGNING_KEY))
        if self._keys is not None:
            yield from map(StorageSecret.of_bytes, self._keys.storage_secrets())
        yield from (StorageSecret.of_text(former.get_secret_value()) for former in config.former_storage_secrets)
        for path in config.former_storage_secret_files:
            yield StorageSecret.of_text(read_secret_file(path, field="former_storage_secret_files"))


def _random_bytes(text: str) -> bytes | None:
    """Return the bytes of a text that is 32 or more random bytes; None for a passphrase."""
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    # A long passphrase of one kind of letters is base64 too. Random bytes have all three kinds, all but certainly.
    if not all(kind.search(text) for kind in _MIXED):
        return None
    data = canonical_base64.decode(text)
    return data if data is not None and len(data) >= KEY_BYTES else None


def _hkdf(secret: bytes, *, info: bytes, salt: bytes | None = None) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=salt, info=info).derive(secret)
