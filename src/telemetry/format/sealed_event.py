"""A sealed event in its parts, and the Kafka value that they make."""

from __future__ import annotations

import msgspec

from telemetry.format import base64url
from telemetry.format.jwe import IV_CHARACTERS, TAG_BYTES, TAG_CHARACTERS
from telemetry.format.message import key_hash


class Sealed(msgspec.Struct, frozen=True, eq=False, gc=False):
    """An event that only its data key opens. Its Kafka value is written out later, off the caller's path.

    Attributes:
        head: What is constant for the data key.
        tail: The clear part that follows the sequence.
        protected: JWE header.
        iv: Initialization vector.
        ciphertext: With the tag.
        size: Bytes of the value, or a few more: the sequence is counted with all its digits.
    """

    head: bytes
    tail: bytes
    protected: bytes
    iv: bytes
    ciphertext: bytes
    size: int

    def __repr__(self) -> str:
        return f"Sealed(size={self.size})"

    def value(self, sequence: int, key: bytes) -> bytes:
        """Return the Kafka value."""
        return self.written(sequence, key, base64url.encode(self.iv + self.ciphertext), 0)

    def written(self, sequence: int, key: bytes, text: bytes, at: int) -> bytes:
        """Return the Kafka value in one step: what ``message.render`` makes of the JWE compact serialization.

        Args:
            sequence: The event's number.
            key: Kafka key.
            text: Where initialization vector, ciphertext and tag stand in base64url as if they were one. That is the
                encoding of its parts in a row: the first has 12 bytes, and the ciphertext's length is a multiple of
                ``jwe.TEXT_MULTIPLE``.
            at: Where they begin.
        """
        ciphertext = at + IV_CHARACTERS
        tag = ciphertext + (len(self.ciphertext) - TAG_BYTES) // 3 * 4
        return b"".join((
            self.head, b'%d,"keyhash":"' % sequence, key_hash(key), b'"', self.tail,
            b'"', self.protected, b"..", text[at:ciphertext], b".", text[ciphertext:tag], b".",
            text[tag : tag + TAG_CHARACTERS], b'"}',
        ))  # fmt: skip
