"""A sealed event in its parts, and the Kafka value that they make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from telemetry.format import base64url
from telemetry.format.jwe import IV_CHARACTERS, TAG_BYTES, TAG_CHARACTERS
from telemetry.format.message import key_hash

_TAG_PLACE = (TAG_BYTES + 2) // 3 * 4
"""Characters of a tag and what fills it up, among texts that were encoded together."""


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
        return next(_written([self], [sequence], [key], base64url.encode(self.iv + self.ciphertext)))


def values_together(events: Sequence[Sealed], sequences: Sequence[int], keys: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the Kafka value of each event with its number and Kafka key; cheaper than one by one."""
    text = base64url.encode_together([event.iv for event in events], [event.ciphertext for event in events])
    return _written(events, sequences, keys, text)


def _written(events: Sequence[Sealed], sequences: Sequence[int], keys: Sequence[bytes], text: bytes) -> Iterator[bytes]:
    """Yield each value in one step: what ``message.render`` makes of the JWE compact serialization.

    Args:
        events: What was sealed.
        sequences: Their numbers.
        keys: Their Kafka keys.
        text: Of each, initialization vector, ciphertext and tag in base64url as if they were one. That is the encoding of
            its parts in a row: the first has 12 bytes, and of the second all but the tag is a multiple of
            ``jwe.TEXT_MULTIPLE``.
    """
    iv = 0
    for event, sequence, key in zip(events, sequences, keys, strict=True):
        ciphertext = iv + IV_CHARACTERS
        tag = ciphertext + (len(event.ciphertext) - TAG_BYTES) // 3 * 4
        yield b"".join((
            event.head, b'%d,"keyhash":"' % sequence, key_hash(key), b'"', event.tail,
            b'"', event.protected, b"..", text[iv:ciphertext], b".", text[ciphertext:tag], b".",
            text[tag : tag + TAG_CHARACTERS], b'"}',
        ))  # fmt: skip
        iv = tag + _TAG_PLACE
