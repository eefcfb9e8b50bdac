"""Wraps data keys with a key in a local file, for small set-ups, tests and air-gapped sites."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from telemetry.config import EncryptionConfig
from telemetry.encryption.context import require_bounds
from telemetry.encryption.listed_keys import not_listed
from telemetry.encryption.provider import DATA_KEY_BYTES, Context, DataKey, EncryptionProvider
from telemetry.encryption.providers.key_file import (
    MIN_ITERATIONS,
    ONE_KEY,
    SEVERAL_KEYS,
    KeyFileFacts,
    Passphrase,
    create_key_file,
    describe_key_file,
    exclusive,
    read_key_file,
    replace_key_file,
)
from telemetry.encryption.providers.local_keks import (
    KEK_BYTES,
    MAX_KEKS,
    SCHEME,
    LocalKeks,
    public_facts,
    uris_of,
)
from telemetry.encryption.trial import try_key
from telemetry.exceptions import (
    ConfigurationError,
    KeyAccessDeniedError,
    KeyNotFoundError,
    Problem,
    TelemetryError,
)
from telemetry.format.value.recipients import Wrap

logger = logging.getLogger("telemetry.encryption")

PURPOSE = "telemetry local_key"


def create(path: Path, passphrase: str, *, iterations: int = MIN_ITERATIONS) -> KeyFileFacts:
    """Create a key file with a new random KEK.

    Raises:
        ConfigurationError: The file exists, or cannot be created.
    """
    if not _create_file(path, passphrase, iterations=iterations):
        raise ConfigurationError(Problem("encryption_config.key_path", f"{path} exists already", "choose another path"))
    return describe(path)


def describe(path: Path) -> KeyFileFacts:
    """Return the public facts of a key file."""
    return describe_key_file(path, purpose=PURPOSE)


def change_passphrase(path: Path, old: str, new: str, *, iterations: int = MIN_ITERATIONS) -> None:
    """Protect the same KEKs with another passphrase; data keys that they wrapped before still open."""
    with exclusive(path):
        keks, facts = _read_keks(path, old)
        _replace(path, keks, new, iterations=max(iterations, facts.iterations))


def rotate(path: Path, passphrase: str) -> KeyFileFacts:
    """Put a new random KEK into a key file. It wraps from now on; those of before still unwrap.

    Raises:
        ConfigurationError: No such file, a wrong passphrase, or as many KEKs as a file can have.
    """
    with exclusive(path):
        keks, facts = _read_keks(path, passphrase)
        if len(keks) >= MAX_KEKS * KEK_BYTES:
            problem = Problem("key_path", f"{path} has {MAX_KEKS} keys already", "begin a new file; see previous_keys")
            raise ConfigurationError(problem)
        keks = secrets.token_bytes(KEK_BYTES) + keks
        _replace(path, keks, passphrase, iterations=facts.iterations)
    return describe(path)


class LocalKeyProvider(EncryptionProvider):
    """Wraps data keys with AES-256-GCM under a KEK from a key file (``local_key``); the context is associated data.

    The file is created on first use, with mode 0600; two processes that create it at once end with one key. Back it up:
    everything it wrapped is lost with it. Readers and writers alike need the file and its passphrase; a writer cannot
    be kept from reading, nobody can revoke a right, and nobody sees who used the key. Use a KMS where you can.

    A file that was removed or that others may read stops this provider at the next data key. A changed passphrase does
    not: the key is the same. A key that :func:`rotate` put into the file wraps from the next data key on, also in
    processes that run; the file keeps the keys of before, which only unwrap.

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
        self._keks: LocalKeks | None = None
        self._identity: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return f"LocalKeyProvider(path={str(self._path)!r})"

    def generate_data_key(self, context: Context) -> DataKey:
        """Generate a data key and wrap it."""
        plaintext = secrets.token_bytes(DATA_KEY_BYTES)
        wrapped, key_uri = self.wrap(plaintext, context)
        return DataKey(plaintext=plaintext, wrapped=wrapped, key_uri=key_uri)

    def wrap(self, plaintext: bytes, context: Context) -> Wrap:
        """Wrap a data key under the newest KEK of the file."""
        with _as_key_service_error():
            keks = self._opened(create=True)
        return Wrap(keks.wrap(plaintext, context), keks.uri)

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        """Return the data key."""
        with _as_key_service_error():
            keks = self._opened(create=False)
        require_bounds(wrapped, key_uri)
        if key_uri not in keks:
            raise not_listed(key_uri, configured=f"in {self._path} ({keks.uri})")
        return keks.unwrap(wrapped, key_uri, context)

    def storage_secrets(self) -> tuple[bytes, ...]:
        """Return what is derived from each KEK; the file must exist, as it does after :meth:`check`."""
        with _as_key_service_error():
            return self._opened(create=False).storage_secrets

    def admits(self, key_uri: str) -> bool:
        """Whether a URI names a key in the file; of a file that cannot be read, any key of a file may be."""
        if not key_uri.startswith(SCHEME):
            return False
        try:
            return key_uri in uris_of(describe(self._path).public)
        except TelemetryError:
            return True

    def costs_a_call(self, key_uri: str) -> bool:  # noqa: ARG002 - of no key
        """Return False: the file is read once."""
        return False

    def check(self) -> None:
        """Open the key file, which is created on first use, and wrap and unwrap a trial key.

        Raises:
            ConfigurationError: Wrong passphrase, unsafe owner or mode, or a damaged file.
        """
        self._opened(create=True)
        try_key(self, writer_only=self.config.writer_only)

    def close(self) -> None:
        """Forget the KEKs."""
        with self._lock:
            self._keks = None

    def _opened(self, *, create: bool) -> LocalKeks:
        """Return the KEKs, for which a key is derived once: PBKDF2 is slow on purpose."""
        with self._lock:
            if self._keks is None:
                self._keks = self._first_read(create=create)
            elif self._identity != (now := self._look()):
                # The file changed: another passphrase around the same keys needs no new derivation.
                if self._has_another_key():
                    self._keks = self._read()
                    logger.info("the key file %s has a new key, which wraps from now on", self._path)
                self._identity = now
            return self._keks

    def _has_another_key(self) -> bool:
        uris = uris_of(describe(self._path).public)
        return self._keks is None or uris[0] != self._keks.uri or any(uri not in self._keks for uri in uris)

    def _first_read(self, *, create: bool) -> LocalKeks:
        try:
            return self._read()
        except KeyNotFoundError:
            if not create:
                raise
        if _create_file(self._path, self._passphrase, iterations=self.config.pbkdf2_iterations):
            logger.warning(
                "created the key file %s; back it up: nothing that it seals can be read without it", self._path
            )
        # Another process may have been first, so the key in the file counts, not ours.
        return self._read()

    def _read(self) -> LocalKeks:
        # Looked at before it is read: a file that is replaced in between is then read again at the next call.
        try:
            self._identity = self._look()
        except (KeyNotFoundError, ValueError):
            self._identity = ()  # the read says what is wrong
        keks, _ = _read_keks(self._path, self._passphrase)
        return LocalKeks(keks)

    def _look(self) -> tuple[int, ...]:
        try:
            status = self._path.lstat()
        except OSError as exc:
            message = f"the key file {self._path} is gone ({exc.strerror}); restore it from a backup"
            raise KeyNotFoundError(message) from exc
        return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode, status.st_uid


def _create_file(path: Path, passphrase: Passphrase, *, iterations: int) -> bool:
    kek = secrets.token_bytes(KEK_BYTES)
    return create_key_file(path, kek, passphrase, purpose=PURPOSE, iterations=iterations, public=public_facts(kek))


def _replace(path: Path, keks: bytes, passphrase: Passphrase, *, iterations: int) -> None:
    version = ONE_KEY if len(keks) == KEK_BYTES else SEVERAL_KEYS
    public = public_facts(keks)
    replace_key_file(path, keks, passphrase, purpose=PURPOSE, iterations=iterations, public=public, version=version)


def _read_keks(path: Path, passphrase: Passphrase) -> tuple[bytes, KeyFileFacts]:
    """Return the KEKs in a file, one after the other, and its facts."""
    keks, facts = read_key_file(path, passphrase, purpose=PURPOSE)
    has_keks = len(keks) in range(KEK_BYTES, MAX_KEKS * KEK_BYTES + 1, KEK_BYTES)
    if not has_keks or uris_of(facts.public) != uris_of(public_facts(keks)):
        problem = Problem("encryption_config.key_path", f"the key file {path} has no key of local_key", "restore it")
        raise ConfigurationError(problem)
    return keks, facts


@contextmanager
def _as_key_service_error() -> Iterator[None]:
    """Translate the error of a bad key file: at the start it is a configuration, later a key service that refuses."""
    try:
        yield
    except ConfigurationError as exc:
        raise KeyAccessDeniedError(str(exc)) from exc
