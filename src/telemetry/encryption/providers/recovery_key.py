"""Wraps data keys for an offline key: everyone has its public half, and its private half is in a safe."""

from __future__ import annotations

import hashlib
import secrets
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from telemetry.config import EncryptionConfig
from telemetry.encryption.context import canonical, require_bounds, require_data_key
from telemetry.encryption.listed_keys import not_listed
from telemetry.encryption.provider import DATA_KEY_BYTES, Context, DataKey, EncryptionProvider
from telemetry.encryption.providers.key_file import (
    MIN_ITERATIONS,
    KeyFileFacts,
    Passphrase,
    create_key_file,
    describe_key_file,
    exclusive,
    read_key_file,
    replace_key_file,
)
from telemetry.encryption.trial import try_key
from telemetry.exceptions import ConfigurationError, KeyAccessDeniedError, KeyMismatchError, Problem
from telemetry.format import canonical_base64
from telemetry.format.value.recipients import Wrap

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hpke import Suite

PURPOSE = "telemetry recovery"
SCHEME = "recovery-key://"

_ALGORITHM = "x25519:"
_PUBLIC_BYTES = 32
_FORM = b"\x01"
# Form, encapsulated key (RFC 9180 section 7.1), data key and tag.
_WRAPPED_BYTES = 1 + 32 + DATA_KEY_BYTES + 16
_INFO = b"telemetry recovery_key v1\x00"


def create(path: Path, passphrase: str, *, iterations: int = MIN_ITERATIONS) -> KeyFileFacts:
    """Create a private key and its file, mode 0600, which must not exist yet.

    Raises:
        ConfigurationError: The file exists, or cannot be created.
    """
    private = X25519PrivateKey.generate()
    public = {"public_key": _text_of(private.public_key())}
    is_created = create_key_file(
        path, private.private_bytes_raw(), passphrase, purpose=PURPOSE, iterations=iterations, public=public
    )
    if not is_created:
        raise ConfigurationError(Problem("key_path", f"{path} exists already", "choose another path"))
    return describe(path)


def describe(path: Path) -> KeyFileFacts:
    """Return the public facts of a file, such as the public key, without the passphrase."""
    return describe_key_file(path, purpose=PURPOSE)


def change_passphrase(path: Path, old: str, new: str, *, iterations: int = MIN_ITERATIONS) -> None:
    """Protect the same private key with another passphrase.

    Raises:
        ConfigurationError: A wrong passphrase, or a file that cannot be used or written.
    """
    with exclusive(path):
        private, facts = read_key_file(path, old, purpose=PURPOSE)
        rounds = max(iterations, facts.iterations)
        replace_key_file(path, private, new, purpose=PURPOSE, iterations=rounds, public=facts.public)


class RecoveryKeyProvider(EncryptionProvider):
    """Wraps data keys for an X25519 key that is kept offline (``recovery_key``), by HPKE (RFC 9180).

    It is meant as one of the ``recipients``: a writer has the public key alone, and cannot read with it. When the KEK of
    the trail is lost, the private key opens every event that was sealed since. Anyone who has the public key can wrap for
    it, so a record that it opens proves even less about its writer than another; the signed checkpoints do.

    HPKE in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM; the context is in ``info``.

    Args:
        config: ``public_key`` to wrap; ``key_path`` and ``passphrase`` of the private key's file to unwrap.
    """

    opens_for_recipients = True

    def __init__(self, config: EncryptionConfig) -> None:
        self.config = config
        self._public = _public_of(config.public_key) if config.public_key is not None else None
        if self._public is None and (config.key_path is None or config.passphrase is None):
            problem = Problem(
                "encryption_config.public_key", "is required by the provider 'recovery_key'", "or key_path to read"
            )
            raise ConfigurationError(problem)
        self._lock = threading.Lock()
        self._private: X25519PrivateKey | None = None

    def __repr__(self) -> str:
        return f"RecoveryKeyProvider({self._public and _text_of(self._public)!r})"

    def __reduce__(self) -> NoReturn:
        message = "a key provider cannot be pickled or copied"
        raise TypeError(message)

    def generate_data_key(self, context: Context) -> DataKey:
        """Generate a data key that only the private key opens."""
        plaintext = secrets.token_bytes(DATA_KEY_BYTES)
        wrapped, key_uri = self.wrap(plaintext, context)
        return DataKey(plaintext=plaintext, wrapped=wrapped, key_uri=key_uri)

    def wrap(self, plaintext: bytes, context: Context) -> Wrap:
        """Wrap a data key for the public key."""
        public = self._public_key()
        return Wrap(_FORM + _suite().encrypt(plaintext, public, info=_INFO + canonical(context)), _uri_of(public))

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        """Return a data key; only where the private key is."""
        require_bounds(wrapped, key_uri)
        if not self.admits(key_uri):
            raise not_listed(key_uri, configured=f"the recovery key {_uri_of(self._public_key())}")
        if len(wrapped) != _WRAPPED_BYTES or wrapped[:1] != _FORM:
            message = "the wrapped data key does not have the form that recovery_key gives it; it was altered"
            raise KeyMismatchError(message)
        private = self._private_key()
        try:
            plaintext = _suite().decrypt(wrapped[1:], private, info=_INFO + canonical(context))
        except InvalidTag as exc:
            message = "the wrapped data key was altered, or belongs to another service or environment"
            raise KeyMismatchError(message) from exc
        return require_data_key(plaintext, key_uri=key_uri)

    def admits(self, key_uri: str) -> bool:
        """Whether a URI names this key."""
        return key_uri.startswith(SCHEME) and key_uri == _uri_of(self._public_key())

    def costs_a_call(self, key_uri: str) -> bool:  # noqa: ARG002 - of no key
        """Return False: the file is read once."""
        return False

    def check(self) -> None:
        """Wrap a trial key, and unwrap it where the private key is."""
        try_key(self, writer_only=self.config.key_path is None)

    def close(self) -> None:
        """Forget the private key."""
        with self._lock:
            self._private = None

    def _public_key(self) -> X25519PublicKey:
        if self._public is None:
            self._public = self._private_key().public_key()
        return self._public

    def _private_key(self) -> X25519PrivateKey:
        """Return the private key, for which a key is derived once: PBKDF2 is slow on purpose."""
        path, passphrase = self.config.key_path, self.config.passphrase
        if path is None or passphrase is None:
            message = "the private recovery key is not here; give key_path and passphrase, or --recovery-key"
            raise KeyAccessDeniedError(message)
        with self._lock:
            if self._private is None:
                try:
                    self._private = _read(path.expanduser(), passphrase, self._public)
                except ConfigurationError as exc:
                    raise KeyAccessDeniedError(str(exc)) from exc
            return self._private


def _read(path: Path, passphrase: Passphrase, expected: X25519PublicKey | None) -> X25519PrivateKey:
    content, facts = read_key_file(path, passphrase, purpose=PURPOSE)
    if len(content) == _PUBLIC_BYTES:
        private = X25519PrivateKey.from_private_bytes(content)
        text = _text_of(private.public_key())
        if text == facts.public.get("public_key") and expected in (None, private.public_key()):
            return private
    raise ConfigurationError(Problem("key_path", f"{path} is not the file of this recovery key", "name its file"))


def _suite() -> Suite:
    # Imported when a key is wrapped: most processes have no recovery key.
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite  # noqa: PLC0415

    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def _public_of(text: str) -> X25519PublicKey:
    raw = canonical_base64.decode(text.removeprefix(_ALGORITHM)) if text.startswith(_ALGORITHM) else None
    public = X25519PublicKey.from_public_bytes(raw) if raw is not None and len(raw) == _PUBLIC_BYTES else None
    if public is None or not _is_of_high_order(public):
        problem = Problem(
            "encryption_config.public_key",
            "is not a public recovery key",
            f"give what `telemetry keys recovery create` printed, beginning with {_ALGORITHM}",
        )
        raise ConfigurationError(problem)
    return public


def _is_of_high_order(public: X25519PublicKey) -> bool:
    """Whether a key is usable: with a point of small order all have the same secret (RFC 7748 section 6.1)."""
    try:
        X25519PrivateKey.generate().exchange(public)
    except ValueError:
        return False
    return True


def _text_of(public: X25519PublicKey) -> str:
    return _ALGORITHM + canonical_base64.encode(public.public_bytes_raw())


def _uri_of(public: X25519PublicKey) -> str:
    digest = hashlib.sha256(b"telemetry recovery_key fingerprint v1\x00" + public.public_bytes_raw()).hexdigest()
    return f"{SCHEME}{digest[:32]}"
