"""Keeps the KEKs of a key file: the newest wraps, all of them unwrap."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterator, Mapping
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from telemetry.encryption.context import canonical
from telemetry.encryption.provider import DATA_KEY_BYTES, Context
from telemetry.exceptions import KeyMismatchError

SCHEME = "local-key://"
KEK_BYTES = 32
MAX_KEKS = 64
"""A file keeps every KEK that it ever had; one that is rotated each month lasts five years."""

_WRAP_VERSION = b"\x01"
_IV_BYTES = 12
_WRAPPED_BYTES = 1 + _IV_BYTES + DATA_KEY_BYTES + 16
_STORAGE = b"telemetry storage from local key v1"


def fingerprint(kek: bytes) -> str:
    """Return 32 hexadecimal digits that identify a KEK without revealing it."""
    return hashlib.sha256(hmac.digest(kek, b"telemetry local_key fingerprint v1", "sha256")).hexdigest()[:32]


def public_facts(keks: bytes) -> dict[str, str]:
    """Return what a key file says about its KEKs without the passphrase: the newest one's fingerprint, and the others'."""
    newest, *earlier = map(fingerprint, _split(keks))
    return {"fingerprint": newest, **({"earlier": " ".join(earlier)} if earlier else {})}


def uris_of(public: Mapping[str, str]) -> tuple[str, ...]:
    """Return the URIs of the KEKs in a file by its public facts, that of the newest first."""
    return tuple(SCHEME + name for name in (public.get("fingerprint", ""), *public.get("earlier", "").split()))


class LocalKeks:
    """The KEKs of a key file. Nothing of them is in a ``repr``, pickle or copy.

    Args:
        keks: The KEKs one after the other, the newest first.

    Attributes:
        uri: URI of the newest.
        storage_secrets: What is derived from each of them for the spool and the fallback store, the newest first.
    """

    __slots__ = ("_ciphers", "storage_secrets", "uri")

    def __init__(self, keks: bytes) -> None:
        each = tuple(_split(keks))
        self._ciphers = {SCHEME + fingerprint(kek): AESGCM(kek) for kek in each}
        self.uri = next(iter(self._ciphers))
        self.storage_secrets = tuple(
            HKDF(hashes.SHA256(), length=KEK_BYTES, salt=None, info=_STORAGE).derive(kek) for kek in each
        )

    def __contains__(self, uri: str) -> bool:
        return uri in self._ciphers

    def wrap(self, plaintext: bytes, context: Context) -> bytes:
        """Wrap a data key under the newest KEK; the context is associated data."""
        iv = os.urandom(_IV_BYTES)
        return _WRAP_VERSION + iv + self._ciphers[self.uri].encrypt(iv, plaintext, _associated(context))

    def unwrap(self, wrapped: bytes, uri: str, context: Context) -> bytes:
        """Unwrap a data key under the KEK of this URI, which must be in the file.

        Raises:
            KeyMismatchError: The wrapped key was altered, or belongs to another context.
        """
        # 1. The bytes have the form that this provider gives them.
        if len(wrapped) != _WRAPPED_BYTES or wrapped[:1] != _WRAP_VERSION:
            message = "the wrapped data key does not have the form that local_key gives it; it was altered"
            raise KeyMismatchError(message)
        # 2. Neither they nor the context were altered.
        iv, sealed = wrapped[1 : 1 + _IV_BYTES], wrapped[1 + _IV_BYTES :]
        try:
            return self._ciphers[uri].decrypt(iv, sealed, _associated(context))
        except InvalidTag as exc:
            message = "the wrapped data key was altered, or belongs to another service or environment"
            raise KeyMismatchError(message) from exc

    def __repr__(self) -> str:
        return f"LocalKeks(uri={self.uri!r}, keks={len(self._ciphers)})"

    def __reduce__(self) -> NoReturn:
        message = "a KEK cannot be pickled or copied"
        raise TypeError(message)


def _split(keks: bytes) -> Iterator[bytes]:
    return (keks[start : start + KEK_BYTES] for start in range(0, len(keks), KEK_BYTES))


def _associated(context: Context) -> bytes:
    return hashlib.sha256(b"telemetry local_key v1\x00" + canonical(context)).digest()
