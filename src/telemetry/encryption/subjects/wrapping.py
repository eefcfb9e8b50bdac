"""Seals the secrets of subjects under store keys, and computes the lookups by which they are found."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from telemetry.encryption.subjects.store.rows import LookupRow, NewSubject, SubjectRow, refuse_row
from telemetry.exceptions import EncryptionError
from telemetry.format.value.subject.subject_key import SubjectKey

SECRET_BYTES = 32
_IV_BYTES = 12
_SUBJECT = b"telemetry subject secret v1\x00"
_LOOKUP_SECRET = b"telemetry subject lookup secret v1\x00"
_LOOKUP = b"telemetry subject lookup v1\x00"
_HOLD_KEY = b"telemetry subject hold key v1\x00"
_HOLD = b"telemetry subject hold v1\x00"


class StoreKey:
    """A key of the store, unwrapped: it seals the secrets of subjects. Nothing of it is in a ``repr``, pickle or copy.

    Each seal has 96 random bits as its IV; a store key is replaced long before the 2^32 seals of NIST SP 800-38D 8.3.

    Args:
        plaintext: 32 bytes.
        store_key_id: Name of the key.
        source: Source whose subjects it is for.

    Attributes:
        store_key_id: As given.
        source: As given.
    """

    __slots__ = ("_cipher", "source", "store_key_id")

    def __init__(self, plaintext: bytes, *, store_key_id: str, source: str) -> None:
        self._cipher = AESGCM(plaintext)
        self.store_key_id = store_key_id
        self.source = source

    def new_subject(self, lookup: bytes) -> NewSubject:
        """Return a subject with a new random key.

        Args:
            lookup: Lookup of the user id.
        """
        secret = os.urandom(SECRET_BYTES)
        key_id = SubjectKey(secret, source=self.source).key_id
        sealed = self._seal(secret, _bound(_SUBJECT, self.source, key_id.encode(), lookup))
        return NewSubject(key_id, self.source, lookup, self.store_key_id, sealed)

    def open_secret(self, row: SubjectRow) -> bytes:
        """Return the secret of a subject.

        Raises:
            SubjectTableError: The row is not as this store key sealed it.
        """
        if row.sealed is None or row.lookup is None or row.store_key_id != self.store_key_id:
            refuse_row("is not sealed under the store key that it names")
        return self._open(row.sealed, _bound(_SUBJECT, self.source, row.key_id.encode(), row.lookup))

    def open_subject(self, row: SubjectRow) -> SubjectKey:
        """Return the key of a subject; raises as :meth:`open_secret` does."""
        if row.source != self.source:
            refuse_row("is of another source than its store key")
        key = SubjectKey(self.open_secret(row), source=self.source)
        # The id commits to the secret, which the seal alone does not: AES-GCM opens under more than one key.
        if not hmac.compare_digest(key.key_id.encode(), row.key_id.encode()):
            refuse_row("has another key than it names")
        return key

    def reseal(self, row: SubjectRow, secret: bytes) -> bytes:
        """Return the seal of a subject's secret under this key."""
        return self._seal(secret, _bound(_SUBJECT, self.source, row.key_id.encode(), row.lookup or b""))

    def seal_lookup(self, secret: LookupSecret) -> LookupRow:
        """Return the row of a lookup secret."""
        sealed = self._seal(secret.plaintext, _bound(_LOOKUP_SECRET, self.source))
        return LookupRow(self.source, self.store_key_id, sealed)

    def open_lookup(self, row: LookupRow) -> LookupSecret:
        """Return the lookup secret of a row; raises as :meth:`open_secret` does."""
        return LookupSecret(self._open(row.sealed, _bound(_LOOKUP_SECRET, self.source)), source=self.source)

    def _seal(self, secret: bytes, bound: bytes) -> bytes:
        iv = os.urandom(_IV_BYTES)
        return iv + self._cipher.encrypt(iv, secret, bound)

    def _open(self, sealed: bytes, bound: bytes) -> bytes:
        try:
            secret = self._cipher.decrypt(sealed[:_IV_BYTES], sealed[_IV_BYTES:], bound)
        except (InvalidTag, ValueError) as exc:
            refuse_row("does not open under the store key that it names", exc)
        if len(secret) != SECRET_BYTES:
            refuse_row("has a secret of another length")
        return secret

    def __repr__(self) -> str:
        return f"StoreKey({self.store_key_id!r})"

    def __reduce__(self) -> NoReturn:
        message = "a store key cannot be pickled or copied"
        raise TypeError(message)


class LookupSecret:
    """The secret under which user ids are looked up, the same as long as the store lives; in no ``repr``, pickle or copy.

    Args:
        plaintext: 32 bytes.
        source: Source whose user ids they are.

    Attributes:
        plaintext: As given.
    """

    __slots__ = ("_hold_cipher", "_source", "plaintext")

    def __init__(self, plaintext: bytes, *, source: str) -> None:
        self.plaintext = plaintext
        self._source = source.encode()
        hold_key = HKDF(algorithm=hashes.SHA256(), length=SECRET_BYTES, salt=None, info=_HOLD_KEY).derive(plaintext)
        self._hold_cipher = AESGCM(hold_key)

    @classmethod
    def create(cls, source: str) -> LookupSecret:
        """Return a new random one."""
        return cls(os.urandom(SECRET_BYTES), source=source)

    def lookup_of(self, user_id: str) -> bytes:
        """Return the lookup of a user id: HMAC-SHA-256 (RFC 2104) over the source and the id."""
        try:
            text = user_id.encode()
        except UnicodeEncodeError as exc:
            message = "the user id is not Unicode text, so no subject can have it"
            raise EncryptionError(message) from exc
        return hmac.new(self.plaintext, _bound(_LOOKUP, self._source, text), hashlib.sha256).digest()

    def seal_hold(self, hold: bytes, *, key_id: str) -> bytes:
        """Return a legal hold, sealed for one key: its reason may name a person."""
        iv = os.urandom(_IV_BYTES)
        return iv + self._hold_cipher.encrypt(iv, hold, _bound(_HOLD, key_id.encode()))

    def open_hold(self, sealed: bytes, *, key_id: str) -> bytes:
        """Return a legal hold.

        Raises:
            SubjectTableError: It was altered, or belongs to another key.
        """
        try:
            return self._hold_cipher.decrypt(sealed[:_IV_BYTES], sealed[_IV_BYTES:], _bound(_HOLD, key_id.encode()))
        except (InvalidTag, ValueError) as exc:
            refuse_row("has a hold that was not set for it", exc)

    def __repr__(self) -> str:
        return "LookupSecret()"

    def __reduce__(self) -> NoReturn:
        message = "a lookup secret cannot be pickled or copied"
        raise TypeError(message)


def _bound(purpose: bytes, *parts: bytes | str) -> bytes:
    """Return what a seal is bound to: each part with its length, so that no two lists give the same bytes."""
    encoded = [part.encode() if isinstance(part, str) else part for part in parts]
    return purpose + b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
