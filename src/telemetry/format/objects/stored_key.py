"""Names the key under which something is stored: by the storage secret that gives it, and wrapped for the key service."""

from __future__ import annotations

from typing import NamedTuple

from telemetry.exceptions import FormatError
from telemetry.format import canonical_base64

SALT_BYTES = 16
MAX_WRAPPED_BYTES = 8_192
MAX_URI_CHARACTERS = 2_048
SEALED_KEY_BYTES = 12 + 32 + 16
"""Initialization vector, content key, tag."""


class StoredKey(NamedTuple):
    """How a content key is found again.

    Attributes:
        salt: Random bytes, new for each object or segment.
        key_id: Name of the storage secret from which the key is derived with the salt; None where there was none.
        key_uri: URI of the KEK; None where the key service was not asked.
        wrapped: A data key of the process that stored it, wrapped by that KEK.
        sealed: The content key, sealed under that data key.
    """

    salt: bytes
    key_id: str | None = None
    key_uri: str | None = None
    wrapped: bytes | None = None
    sealed: bytes | None = None

    def to_members(self) -> dict[str, str]:
        """Return the members of a header that say this; a None has no member."""
        texts = {
            "key_id": self.key_id,
            "salt": canonical_base64.encode(self.salt),
            "keyid": self.key_uri,
            "wrappedkey": None if self.wrapped is None else canonical_base64.encode(self.wrapped),
            "sealedkey": None if self.sealed is None else canonical_base64.encode(self.sealed),
        }
        return {name: text for name, text in texts.items() if text is not None}

    @classmethod
    def of_members(
        cls,
        *,
        key_id: str | None,
        salt: str,
        keyid: str | None,
        wrappedkey: str | None,
        sealedkey: str | None,
    ) -> StoredKey:
        """Return what the members of a header say.

        Raises:
            FormatError: One is malformed, or there is no way to find the key again.
        """
        wraps = (keyid, wrappedkey, sealedkey)
        is_whole = all(wraps) or not any(wraps)
        if not is_whole or (key_id is None and keyid is None) or (keyid and len(keyid) > MAX_URI_CHARACTERS):
            message = "the header does not say how its key is found"
            raise FormatError(message)
        return cls(
            _bytes(salt, SALT_BYTES, SALT_BYTES),
            key_id,
            keyid,
            None if wrappedkey is None else _bytes(wrappedkey, 1, MAX_WRAPPED_BYTES),
            None if sealedkey is None else _bytes(sealedkey, SEALED_KEY_BYTES, SEALED_KEY_BYTES),
        )


def _bytes(text: str, least: int, most: int) -> bytes:
    data = canonical_base64.decode(text) if len(text) <= 2 * most + 4 else None
    if data is None or not least <= len(data) <= most:
        message = "the header has a malformed salt or key"
        raise FormatError(message)
    return data
