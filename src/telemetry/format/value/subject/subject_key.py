"""Derives everything from the secret of a subject: the key of its content, its Kafka keys, and the id that commits to it.

A subject is a user of one service. With its secret everything that is derived here is gone, and a guess at the user id can be
tested with nothing that is left (docs/adr/0045).
"""

from __future__ import annotations

import hmac
import re
from typing import Any, NoReturn

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from telemetry.format import canonical_base64

SECRET_BYTES = 32
KEY_ID_CHARACTERS = 32
"""Of base64url: 24 bytes. To find two secrets with one id takes 2^96 attempts."""
MAX_USES = 1 << 32
"""Events that one subject key may seal: IVs are random (NIST SP 800-38D section 8.3)."""

_KEY_ID_BYTES = 24
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{32}", re.ASCII)
_ID_INFO = b"telemetry subject key id v1\x00"
_CONTENT_INFO = b"telemetry subject content v1\x00"
_KAFKA_INFO = b"telemetry subject kafka key v1\x00"


def is_key_id(text: str) -> bool:
    """Return whether a text has the form of the id of a subject key."""
    return _KEY_ID.fullmatch(text) is not None


class SubjectKey:
    """The key of one subject. Nothing of its secret is in a ``repr``, a pickle or a copy.

    Args:
        secret: 32 random bytes that nothing else is derived from.
        source: CloudEvents source of the subject's service.

    Attributes:
        key_id: Names the key, and commits to it: AES-GCM alone does not.
        source: As given.
        cipher: AES-256-GCM for the content of the subject's events.
        template: Prepared bytes that the sealer keeps for this key.
    """

    __slots__ = ("_kafka_secret", "cipher", "key_id", "source", "template")

    def __init__(self, secret: bytes, *, source: str) -> None:
        if len(secret) != SECRET_BYTES:
            message = f"the secret of a subject has {SECRET_BYTES} bytes, not {len(secret)}"
            raise ValueError(message)
        owner = source.encode()
        derived = _derived(secret, _ID_INFO + owner)[:_KEY_ID_BYTES]
        self.key_id = canonical_base64.encode_url(derived).decode()
        self.source = source
        self.cipher = AESGCM(_derived(secret, _CONTENT_INFO + owner))
        self._kafka_secret = _derived(secret, _KAFKA_INFO + owner)
        self.template: Any = None

    def __repr__(self) -> str:
        return f"SubjectKey(key_id={self.key_id!r})"

    def __reduce__(self) -> NoReturn:
        message = "a subject key cannot be pickled or copied"
        raise TypeError(message)

    def kafka_key(self, user_and_service: bytes) -> bytes:
        """Return the Kafka key of the subject's events: HMAC-SHA-256 in hexadecimal.

        Args:
            user_and_service: ``user_id:service_name`` in UTF-8.
        """
        return hmac.digest(self._kafka_secret, user_and_service, "sha256").hex().encode()


def _derived(secret: bytes, info: bytes) -> bytes:
    """Return 32 bytes (HKDF-SHA-256, RFC 5869)."""
    return HKDF(algorithm=hashes.SHA256(), length=SECRET_BYTES, salt=None, info=info).derive(secret)
