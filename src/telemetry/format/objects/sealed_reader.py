"""Reads a sealed fallback object part by part: never more of it is in memory than a chunk, a record and the leaf hashes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.exceptions import TamperedError
from telemetry.format.objects.byte_parts import ByteParts, lines_of
from telemetry.format.objects.fallback_object import MAX_HEADER_BYTES, MAX_OBJECT_BYTES
from telemetry.format.objects.record_lines import StoredRecord, decode_line
from telemetry.format.objects.sealed_object import (
    LEAF_BYTES,
    TAG_BYTES,
    SealedHeader,
    associated_data,
    chunk_nonce,
    decode_sealed_header,
)
from telemetry.format.objects.stored_name import ObjectName
from telemetry.format.proof.merkle import leaf_hash


class SealedObjectReader:
    """One sealed object, read from its beginning to its end.

    Call :meth:`records` or :meth:`require_intact`, once.

    Args:
        parts: Bytes of the object, in order, in parts of any size.

    Attributes:
        header: What its first line says.

    Raises:
        FormatError: The header is malformed or of an unknown version.
    """

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._bytes = ByteParts(parts, max_bytes=MAX_OBJECT_BYTES)
        self.header = decode_sealed_header(self._bytes.line(MAX_HEADER_BYTES))
        self._leaves: bytes | None = None

    @property
    def leaves(self) -> bytes:
        """The leaf hashes of its events, 32 bytes each, as the header's digest has them.

        Raises:
            TamperedError: They were altered.
        """
        if self._leaves is None:
            leaves = self._bytes.exactly(self.header.leaves_bytes)
            is_stated = hmac.compare_digest(hashlib.sha256(leaves).digest(), self.header.leaves_sha256)
            _require(is_stated, "its leaf hashes do not have the digest that it states")
            self._leaves = leaves
        return self._leaves

    def records(self, key: bytes) -> Iterator[StoredRecord]:
        """Yield the records, each after its leaf hash, its number and its chunk were checked.

        What is only known at the end, that nothing was cut off, is checked after the last one.

        Args:
            key: The content key.

        Raises:
            TamperedError: A chunk does not open, or a record is not the one that the header states.
            FormatError: A line is not a record.
        """
        leaves, numbers = self.leaves, self._numbers()
        place = count = 0
        for line in lines_of(self._chunks(key)):
            record = decode_line(line)
            count += 1
            if record.sequence is None:
                yield record
                continue
            leaf = leaves[place : place + LEAF_BYTES]
            place += LEAF_BYTES
            is_stated = hmac.compare_digest(leaf_hash(record.value), leaf)
            is_next = next(numbers, record.sequence) == record.sequence
            _require(is_stated and is_next, "a record is not the one that its header states")
            yield record
        _require(count == self.header.count and place == len(leaves), "it has not as many records as it states")

    def require_intact(self) -> None:
        """Check every byte that can be checked without a key: the digests of leaf hashes and ciphertext.

        Raises:
            TamperedError: A byte was altered.
        """
        digest = hashlib.sha256()
        _ = self.leaves
        for part in self._bytes.rest():
            digest.update(part)
        self._require_ciphertext(digest.digest())

    def _numbers(self) -> Iterator[int]:
        for run in self.header.runs or ():
            yield from range(run.first, run.last + 1)

    def _chunks(self, key: bytes) -> Iterator[bytes]:
        cipher, bound = AESGCM(key), associated_data(self.header.authenticated)
        size, digest, number, is_last = self.header.chunk_bytes + TAG_BYTES, hashlib.sha256(), 0, False
        while not is_last:
            sealed, is_last = self._bytes.up_to(size)
            digest.update(sealed)
            try:
                yield cipher.decrypt(chunk_nonce(number, is_last=is_last), sealed, bound)
            except (InvalidTag, ValueError) as exc:
                message = f"the sealed object was altered: chunk {number} does not open"
                raise TamperedError(message) from exc
            number += 1
        self._require_ciphertext(digest.digest())

    def _require_ciphertext(self, digest: bytes) -> None:
        is_stated = hmac.compare_digest(digest, self.header.ciphertext_sha256)
        _require(is_stated, "its content does not have the digest that it states")


def require_sealed_name(header: SealedHeader, name: ObjectName) -> None:
    """Check that an object has the name that it was created with.

    Raises:
        TamperedError: It was renamed, moved, or exchanged with another one.
    """
    stated = (name.topic, name.producer, name.first, name.last)
    is_own = stated == (header.topic, header.producer, header.first_sequence, header.last_sequence)
    _require(is_own, "its name and its header disagree, so it was renamed or exchanged")


def _require(fits: bool, reason: str) -> None:
    if not fits:
        message = f"the sealed object was altered: {reason}"
        raise TamperedError(message)
