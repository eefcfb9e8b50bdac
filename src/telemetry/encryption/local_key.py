"""``local_key``: a key-encryption key in a file of one's own, for small set-ups, tests and air-gapped sites."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
from pathlib import Path
from typing import NoReturn

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.config import EncryptionConfig
from telemetry.encryption.key_file import (
    KeyFileFacts,
    create_key_file,
    describe_key_file,
    read_key_file,
    replace_key_file,
)
from telemetry.encryption.provider import DATA_KEY_BYTES, Context, DataKey, EncryptionProvider
from telemetry.exceptions import ConfigurationError, KeyMismatchError, KeyNotFoundError, Problem

PURPOSE = "telemetry local_key"
SCHEME = "local-key://"

_WRAP_VERSION = b"\x01"
_IV_BYTES = 12
_WRAPPED_BYTES = 1 + _IV_BYTES + DATA_KEY_BYTES + 16


def fingerprint(kek: bytes) -> str:
    """Return 32 hexadecimal digits that name a KEK without telling it."""
    return hmac.digest(kek, b"telemetry local_key fingerprint v1", "sha256").hex()[:32]


def create(path: Path, passphrase: str, *, iterations: int = 600_000) -> KeyFileFacts:
    """Make a key file with a new random KEK.

    Raises:
        ConfigurationError: The file exists, or cannot be made.
    """
    kek = secrets.token_bytes(32)
    public = {"fingerprint": fingerprint(kek)}
    if not create_key_file(path, kek, passphrase, purpose=PURPOSE, iterations=iterations, public=public):
        raise ConfigurationError(Problem("key_path", f"{path} exists already", "choose another path"))
    return describe(path)


def describe(path: Path) -> KeyFileFacts:
    """Return what may be shown of a key file."""
    return describe_key_file(path, purpose=PURPOSE)


def change_passphrase(path: Path, old: str, new: str, *, iterations: int = 600_000) -> None:
    """Protect the same KEK with another passphrase; what was wrapped before still opens."""
    kek, facts = read_key_file(path, old, purpose=PURPOSE)
    rounds = max(iterations, facts.iterations)
    replace_key_file(path, kek, new, purpose=PURPOSE, iterations=rounds, public=facts.public)


class LocalKeyProvider(EncryptionProvider):
    """Wraps data keys with AES-256-GCM under a KEK from a key file; the context is associated data.

    The file is made on first use, with mode 0600; two processes that make it at once end with one key. Whoever reads
    the trail needs the file and its passphrase; there is no writer without the right to read. Use a KMS where you can.
    """

    def __init__(self, config: EncryptionConfig) -> None:
        if config.key_path is None or config.passphrase is None or not config.passphrase.get_secret_value():
            raise ConfigurationError(Problem("passphrase", "is empty", "set key_path and passphrase"))
        self._path = config.key_path
        self._passphrase = config.passphrase
        self._iterations = config.pbkdf2_iterations
        self._lock = threading.Lock()
        self._cipher: AESGCM | None = None
        self._uri = ""

    def __repr__(self) -> str:
        return f"LocalKeyProvider(path={str(self._path)!r})"

    def __reduce__(self) -> NoReturn:
        message = "a key provider cannot be pickled or copied"
        raise TypeError(message)

    def generate_data_key(self, context: Context) -> DataKey:
        """Make a data key and wrap it."""
        cipher = self._opened()
        plaintext, iv = secrets.token_bytes(DATA_KEY_BYTES), os.urandom(_IV_BYTES)
        wrapped = _WRAP_VERSION + iv + cipher.encrypt(iv, plaintext, _associated(context))
        return DataKey(plaintext=plaintext, wrapped=wrapped, key_uri=self._uri)

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        """Return the data key."""
        cipher = self._opened()
        if not hmac.compare_digest(key_uri.encode("utf-8", "replace"), self._uri.encode()):
            message = f"the data key was wrapped by another key than {self._path} holds ({self._uri})"
            raise KeyMismatchError(message)
        if len(wrapped) != _WRAPPED_BYTES or wrapped[:1] != _WRAP_VERSION:
            message = "the wrapped data key does not have the form that local_key gives it"
            raise KeyMismatchError(message)
        try:
            return cipher.decrypt(wrapped[1 : 1 + _IV_BYTES], wrapped[1 + _IV_BYTES :], _associated(context))
        except InvalidTag as exc:
            message = "the wrapped data key was altered, or belongs to another service or environment"
            raise KeyMismatchError(message) from exc

    def check(self) -> None:
        """Open the key file, making it on first use, and make a trial wrap and unwrap."""
        context = {"purpose": "telemetry check"}
        key = self.generate_data_key(context)
        if not hmac.compare_digest(self.unwrap(key.wrapped, key.key_uri, context), key.plaintext):
            message = f"the key in {self._path} does not open what it wrapped"
            raise KeyMismatchError(message)

    def close(self) -> None:
        """Forget the KEK."""
        with self._lock:
            self._cipher = None

    def _opened(self) -> AESGCM:
        """Derive the key once; PBKDF2 takes a good part of a second on purpose."""
        with self._lock:
            if self._cipher is None:
                kek = self._read_or_create()
                self._uri = SCHEME + fingerprint(kek)
                self._cipher = AESGCM(kek)
            return self._cipher

    def _read_or_create(self) -> bytes:
        passphrase = self._passphrase.get_secret_value()
        try:
            return read_key_file(self._path, passphrase, purpose=PURPOSE)[0]
        except KeyNotFoundError:
            kek = secrets.token_bytes(32)
            public = {"fingerprint": fingerprint(kek)}
            create_key_file(self._path, kek, passphrase, purpose=PURPOSE, iterations=self._iterations, public=public)
        # Another process may have been first: what counts is what the file holds.
        return read_key_file(self._path, passphrase, purpose=PURPOSE)[0]


def _associated(context: Context) -> bytes:
    text = msgspec.json.encode(dict(sorted(context.items())))
    return hashlib.sha256(b"telemetry local_key v1\x00" + text).digest()
