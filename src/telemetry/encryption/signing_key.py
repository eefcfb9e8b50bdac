"""Signs checkpoints with an Ed25519 key from a file that a passphrase protects."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from telemetry.encryption.providers.key_file import (
    KeyFileFacts,
    Passphrase,
    create_key_file,
    describe_key_file,
    exclusive,
    read_key_file,
    replace_key_file,
)
from telemetry.exceptions import ConfigurationError, FormatError, KeyNotFoundError, Problem
from telemetry.format.proof.signed_note import PublicKey, require_name

PURPOSE = "telemetry signing"

_ITERATIONS = 600_000
_PRIVATE_BYTES = 32


class SigningKey:
    """Signs checkpoints (RFC 8032). The private key is in no ``repr``, pickle or copy.

    :meth:`create` and :meth:`load` return one. Anyone who has the public key can check the trail; anyone who has this file
    and its passphrase can forge it, so it belongs to the writers alone.
    """

    __slots__ = ("_private", "_public")

    def __init__(self, private: Ed25519PrivateKey, *, name: str) -> None:
        self._private = private
        self._public = PublicKey(name, private.public_key().public_bytes_raw())

    @classmethod
    def create(cls, path: Path, passphrase: str, *, name: str, iterations: int = _ITERATIONS) -> Self:
        """Create a key and its file, mode 0600, which must not exist yet.

        Args:
            path: The file.
            passphrase: Protects it (PBKDF2-HMAC-SHA-256, then AES-256-GCM).
            name: The key's name in signatures; no spaces, no plus signs. Give a rotated key a name of its own.
            iterations: PBKDF2 rounds, at least 600,000 (OWASP).

        Raises:
            ConfigurationError: The file exists or cannot be created, or name or passphrase cannot be used.
        """
        try:
            require_name(name)
        except FormatError as exc:
            raise ConfigurationError(Problem("name", str(exc), "choose another")) from exc
        key = cls(Ed25519PrivateKey.generate(), name=name)
        is_created = create_key_file(
            path,
            key._private.private_bytes_raw(),
            passphrase,
            purpose=PURPOSE,
            iterations=iterations,
            public={"name": name, "public_key": key.public_key},
        )
        if not is_created:
            raise ConfigurationError(Problem("key_path", f"{path} exists already", "choose another path"))
        return key

    @classmethod
    def load(cls, path: Path, passphrase: Passphrase) -> Self:
        """Open a key file.

        Raises:
            ConfigurationError: No such file, wrong passphrase, unsafe owner or mode, or a damaged file.
        """
        try:
            private, facts = read_key_file(path, passphrase, purpose=PURPOSE)
        except KeyNotFoundError as exc:
            raise _absent(path) from exc
        name = facts.public.get("name", "")
        if len(private) == _PRIVATE_BYTES:
            try:
                key = cls(Ed25519PrivateKey.from_private_bytes(private), name=name)
            except FormatError as exc:
                raise _damaged(path) from exc
            if key.public_key == facts.public.get("public_key"):
                return key
        raise _damaged(path)

    @property
    def name(self) -> str:
        """The key's name in signatures."""
        return self._public.name

    @property
    def public_key(self) -> str:
        """The verifier key: ``name+id+key``, to be given to auditors."""
        return str(self._public)

    def sign(self, text: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        return self._private.sign(text)

    def derive_secret(self, info: bytes) -> bytes:
        """Return 32 bytes that only the holder of the key can compute (HKDF-SHA-256, RFC 5869).

        Args:
            info: Use of the bytes; another use gets other bytes.
        """
        derivation = HKDF(algorithm=hashes.SHA256(), length=_PRIVATE_BYTES, salt=None, info=info)
        return derivation.derive(self._private.private_bytes_raw())

    def __repr__(self) -> str:
        return f"SigningKey({self.public_key!r})"

    def __reduce__(self) -> NoReturn:
        message = "a signing key cannot be pickled or copied"
        raise TypeError(message)


def describe(path: Path) -> KeyFileFacts:
    """Return the public facts of a signing-key file, such as its public key, without the passphrase.

    Raises:
        ConfigurationError: No such file, unsafe owner or mode, or a damaged file.
    """
    try:
        return describe_key_file(path, purpose=PURPOSE)
    except KeyNotFoundError as exc:
        raise _absent(path) from exc


def change_passphrase(path: Path, old: str, new: str, *, iterations: int = _ITERATIONS) -> None:
    """Protect the same key with another passphrase.

    Raises:
        ConfigurationError: As :meth:`SigningKey.load` does, or the new passphrase cannot be used.
    """
    with exclusive(path):
        SigningKey.load(path, old)
        private, facts = read_key_file(path, old, purpose=PURPOSE)
        rounds = max(iterations, facts.iterations)
        replace_key_file(path, private, new, purpose=PURPOSE, iterations=rounds, public=facts.public)


def _absent(path: Path) -> ConfigurationError:
    problem = Problem("key_path", f"there is no signing key {path}", "create one with `telemetry keys init-signing`")
    return ConfigurationError(problem)


def _damaged(path: Path) -> ConfigurationError:
    reason = f"the signing key {path} is damaged: public and private key do not belong together"
    return ConfigurationError(Problem("key_path", reason, "restore it from a backup"))
