"""Names a stream by its producer and the source that it claims: what one service signs says nothing about another."""

from __future__ import annotations

import hashlib
from typing import NamedTuple
from uuid import UUID

SOURCE_BYTES = 16
UNKNOWN_SOURCE = bytes(SOURCE_BYTES)
"""Stands for the source of a record that names none, or whose source is not known any more."""


class StreamName(NamedTuple):
    """A producer under one source.

    Anyone can name any source, of any length, so only a hash of it is kept.

    Attributes:
        producer: UUIDv7 of the producer.
        source: First 16 bytes of the SHA-256 of the CloudEvents source, or ``UNKNOWN_SOURCE``.
    """

    producer: str
    source: bytes

    @classmethod
    def of(cls, producer: str, source: str) -> StreamName:
        """Return the name for a source; an empty one is not known."""
        hashed = hashlib.sha256(source.encode()).digest()[:SOURCE_BYTES] if source else UNKNOWN_SOURCE
        return cls(producer, hashed)

    @property
    def is_of_known_source(self) -> bool:
        """Whether its records name a source."""
        return self.source != UNKNOWN_SOURCE

    def to_bytes(self) -> bytes:
        """Return the name in 32 bytes, those of the producer first."""
        return producer_bytes(self.producer) + self.source


def producer_bytes(producer: str) -> bytes:
    """Return the 16 bytes of a producer's UUID."""
    return bytes.fromhex(producer.replace("-", ""))


def producer_text(data: bytes) -> str:
    """Return the UUID whose bytes these are."""
    return str(UUID(bytes=data))
