"""Wraps data keys with a key in a local file, for small set-ups, tests and air-gapped sites."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from telemetry.config import EncryptionConfig
from telemetry.encryption.context import canonical, require_bounds
from telemetry.encryption.listed_keys import not_listed
from telemetry.encryption.provider import DATA_KEY_BYTES, Context, DataKey, EncryptionProvider
from telemetry.encryption.providers.key_file import (
    MIN_ITERATIONS,
    KeyFileFacts,
    create_key_file,
    describe_key_file,
    read_key_file,
    replace_key_file,
)
from telemetry.encryption.trial import try_key
from telemetry.exceptions import (
    ConfigurationError,
    KeyAccessDeniedError,
    KeyMismatchError,
    KeyNotFoundError,
    Problem,
    TelemetryError,
)

logger = logging.getLogger("telemetry.encryption")

PURPOSE = "telemetry local_key"
SCHEME = "local-key://"

_STORAGE = b"telemetry local_key storage v1"
_WRAP_VERSION = b"\x01"
_IV_BYTES = 12
_KEK_BYTES = 32
_WRAPPED_BYTES = 1 + _IV_BYTES + DATA_KEY_BYTES + 16


def fingerprint(kek: bytes) -> str:
    """Return 32 hexadecimal digits that identify a KEK without revealing it."""
    return hashlib.sha256(hmac.digest(kek, b"telemetry local_key fingerprint v1", "sha256")).hexdigest()[:32]


def create(path: Path, passphrase: str, *, iterations: int = MIN_ITERATIONS) -> KeyFileFacts:
    """Create a key file with a new random KEK.

    Raises:
        ConfigurationError: The file exists, or cannot be created.
    """
    kek = secrets.token_bytes(_KEK_BYTES)
    public = {"fingerprint": fingerprint(kek)}
    if not create_key_file(path, kek, passphrase, purpose=PURPOSE, iterations=iterations, public=public):
        raise ConfigurationError(Problem("encryption_config.key_path", f"{path} exists already", "choose another path"))
    return describe(path)


def describe(path: Path) -> KeyFileFacts:
    """Return the public facts of a key file."""
    return describe_key_file(path, purpose=PURPOSE)


def change_passphrase(path: Path, old: str, new: str, *, iterations: int = MIN_ITERATIONS) -> None:
    """Protect the same KEK with another passphrase; data keys that it wrapped before still open."""
    kek, facts = read_key_file(path, old, purpose=PURPOSE)
    rounds = max(iterations, facts.iterations)
    replace_key_file(path, kek, new, purpose=PURPOSE, iterations=rounds, public=facts.public)


class LocalKeyProvider(EncryptionProvider):
    """Wraps data keys with AES-256-GCM under a KEK from a key file (``local_key``); the context is associated data.

    The file is created on first use, with mode 0600; two processes that create it at once end with one key. Back it up:
    everything it wrapped is lost with it. Readers and writers alike need the file and its passphrase; a writer cannot
    be kept from reading, nobody can revoke a right, and nobody sees who used the key. Use a KMS where you can.

    A file that was removed, that others may read, or that has another key stops this provider at the next data key.
    A changed passphrase does not: the key is the same.

    Args:
        config: ``key_path`` and ``passphrase`` are required; ``pbkdf2_iterations`` counts for a new file.
    """

    def __init__(self, config: EncryptionConfig) -> None:
        if config.key_path is None or config.passphrase is None or not config.passphrase.get_secret_value():
            raise ConfigurationError(Problem("encryption_config.passphrase", "is empty", "set key_path and passphrase"))
        self.config = config
        self._path = config.key_path.expanduser()
        self._passphrase = config.passphrase
        self._lock = threading.Lock()
        self._cipher: AESGCM | None = None
        self._identity: tuple[int, ...] = ()
        self._uri = ""
        self._storage_secret = b""

    def __repr__(self) -> str:
        return f"LocalKeyProvider(path={str(self._path)!r})"

    def generate_data_key(self, context: Context) -> DataKey:
        """Generate a data key and wrap it."""
        with _as_key_service_error():
            return self._generate(context)

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        """Return the data key."""
        with _as_key_service_error():
            cipher, uri = self._opened(create=False)
        # 1. The record names this key, and not another one.
        require_bounds(wrapped, key_uri)
        if not hmac.compare_digest(key_uri.encode(), uri.encode()):
            raise not_listed(key_uri, configured=f"that of {self._path} ({uri})")
        # 2. The bytes have the form that this provider gives them.
        if len(wrapped) != _WRAPPED_BYTES or wrapped[:1] != _WRAP_VERSION:
            message = "the wrapped data key does not have the form that local_key gives it; it was altered"
            raise KeyMismatchError(message)
        # 3. Neither they nor the context were altered.
        try:
            return cipher.decrypt(wrapped[1 : 1 + _IV_BYTES], wrapped[1 + _IV_BYTES :], _associated(context))
        except InvalidTag as exc:
            message = "the wrapped data key was altered, or belongs to another service or environment"
            raise KeyMismatchError(message) from exc

    def storage_secrets(self) -> tuple[bytes, ...]:
        """Return what is derived from the KEK; the file must exist, as it does after :meth:`check`."""
        with _as_key_service_error(), self._lock:
            self._open(create=False)
            return (self._storage_secret,)

    def admits(self, key_uri: str) -> bool:
        """Whether a URI names the key in the file; of a file that cannot be read, any key of a file may be."""
        if not key_uri.startswith(SCHEME):
            return False
        try:
            return key_uri == SCHEME + describe(self._path).public.get("fingerprint", "")
        except TelemetryError:
            return True

    def check(self) -> None:
        """Open the key file, which is created on first use, and wrap and unwrap a trial key.

        Raises:
            ConfigurationError: Wrong passphrase, unsafe owner or mode, or a damaged file.
        """
        self._opened(create=True)
        try_key(self, writer_only=self.config.writer_only)

    def close(self) -> None:
        """Forget the KEK."""
        with self._lock:
            self._cipher = None
            self._storage_secret = b""

    def _generate(self, context: Context) -> DataKey:
        cipher, uri = self._opened(create=True)
        plaintext, iv = secrets.token_bytes(DATA_KEY_BYTES), os.urandom(_IV_BYTES)
        wrapped = _WRAP_VERSION + iv + cipher.encrypt(iv, plaintext, _associated(context))
        return DataKey(plaintext=plaintext, wrapped=wrapped, key_uri=uri)

    def _opened(self, *, create: bool) -> tuple[AESGCM, str]:
        """Return cipher and URI of the KEK, which is derived once: PBKDF2 is slow on purpose."""
        # Both under one lock: a file that is replaced in between must not give one key the other's name.
        with self._lock:
            return self._open(create=create), self._uri

    def _open(self, *, create: bool) -> AESGCM:
        if self._cipher is None:
            self._cipher = AESGCM(self._first_read(create=create))
        elif self._identity != (now := self._look()):
            # The file changed: another passphrase around the same key needs no new derivation.
            if SCHEME + describe(self._path).public.get("fingerprint", "") != self._uri:
                self._cipher = AESGCM(self._read())
            self._identity = now
        return self._cipher

    def _first_read(self, *, create: bool) -> bytes:
        try:
            return self._read()
        except KeyNotFoundError:
            if not create:
                raise
        if self._create():
            logger.warning(
                "created the key file %s; back it up: nothing that it seals can be read without it", self._path
            )
        # Another process may have been first, so the key in the file counts, not ours.
        return self._read()

    def _create(self) -> bool:
        kek, rounds = secrets.token_bytes(_KEK_BYTES), self.config.pbkdf2_iterations
        public = {"fingerprint": fingerprint(kek)}
        return create_key_file(self._path, kek, self._passphrase, purpose=PURPOSE, iterations=rounds, public=public)

    def _read(self) -> bytes:
        self._identity = ()
        kek, facts = read_key_file(self._path, self._passphrase, purpose=PURPOSE)
        if len(kek) != _KEK_BYTES or facts.public.get("fingerprint") != fingerprint(kek):
            problem = Problem(
                "encryption_config.key_path", f"the key file {self._path} has no key of local_key", "restore it"
            )
            raise ConfigurationError(problem)
        self._uri = SCHEME + fingerprint(kek)
        self._storage_secret = HKDF(hashes.SHA256(), length=_KEK_BYTES, salt=None, info=_STORAGE).derive(kek)
        self._identity = self._look()
        return kek

    def _look(self) -> tuple[int, ...]:
        try:
            status = self._path.lstat()
        except OSError as exc:
            message = f"the key file {self._path} is gone ({exc.strerror}); restore it from a backup"
            raise KeyNotFoundError(message) from exc
        return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode, status.st_uid


@contextmanager
def _as_key_service_error() -> Iterator[None]:
    """Translate the error of a bad key file: at the start it is a configuration, later a key service that refuses."""
    try:
        yield
    except ConfigurationError as exc:
        raise KeyAccessDeniedError(str(exc)) from exc


def _associated(context: Context) -> bytes:
    return hashlib.sha256(b"telemetry local_key v1\x00" + canonical(context)).digest()
