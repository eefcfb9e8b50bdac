"""Encodes and decodes the sealed fallback object, format version 2 (docs/format.md, ADR 0016).

A header line says whose records an object has, and names their leaf hashes and the digest of the ciphertext. The signature
is its last member: by it a service and a verifier without any key know that the service itself has stored these leaves.
After it come the leaf hashes, 32 bytes an event, and then the records' lines in chunks of AES-256-GCM. Each chunk's nonce
has its number and whether it is the last (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizar, 2015), so that
no chunk can be left out, exchanged or cut off, and each is opened before the next one is read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, NamedTuple

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format import canonical_base64
from telemetry.format.objects.fallback_object import MAX_HEADER_BYTES, MAX_OBJECT_BYTES, MAX_RECORDS
from telemetry.format.objects.record_lines import StoredRecord, encode_lines
from telemetry.format.objects.stored_key import StoredKey
from telemetry.format.proof.merkle import leaf_hash
from telemetry.format.proof.signed_note import PublicKey, Signer

SEALED_VERSION = 2
CHUNK_BYTES = 64 << 10
MIN_CHUNK_BYTES, MAX_CHUNK_BYTES = 1 << 10, 1 << 20
TAG_BYTES = 16
LEAF_BYTES = 32
MAX_RUNS = 256
"""With more holes in its sequence numbers an object does not say which leaf has which number."""

OBJECT_PURPOSE = b"object"
"""Purpose for which the content key of an object is derived."""

_SIGNED = b"telemetry sealed object v2\n"
_COUNTER_BYTES = 11
_MORE, _LAST = b"\x00", b"\x01"
_HEX = rb"[0-9a-f]"
_ENDING = re.compile(
    rb',"leaves_sha256":"(?P<leaves>%b{64})","ciphertext_sha256":"(?P<ciphertext>%b{64})"'
    rb'(?:,"signer":"(?P<signer>%b{8})","signature":"(?P<signature>[A-Za-z0-9+/]{86}==)")?}' % (_HEX, _HEX, _HEX)
)
_BEGIN = b',"leaves_sha256":"'

_Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 53) - 1)]
_encode = msgspec.json.Encoder().encode


class Run(NamedTuple):
    """Sequence numbers without a hole."""

    first: int
    last: int


class ContentKey(NamedTuple):
    """A content key, and how it is found again. It belongs to one object or segment alone."""

    plaintext: bytes
    stored: StoredKey


@dataclass(frozen=True, slots=True)
class SealedHeader:
    """The first line of a sealed object.

    Attributes:
        topic: Topic of the records.
        producer: Producer of the records.
        reason: Why Kafka did not accept them, in one word.
        first_sequence: Smallest sequence; None when there are checkpoints only.
        last_sequence: Largest sequence; None when there are checkpoints only.
        count: Number of records.
        events: How many of them are events; each has a leaf.
        runs: Sequence numbers of the events, in order; None if they have too many holes.
        chunk_bytes: Plaintext bytes of each chunk but the last.
        key: How the content key is found again.
        leaves_sha256: Digest of the leaf hashes.
        ciphertext_sha256: Digest of all bytes after the leaf hashes.
        signer: Key id of the signing key, in hexadecimal; None if the header is not signed.
        authenticated: The bytes of the header that every chunk is bound to.
        signed_text: The bytes that are signed.
        signature: The signature over them.
    """

    topic: str
    producer: str
    reason: str
    first_sequence: int | None
    last_sequence: int | None
    count: int
    events: int
    runs: tuple[Run, ...] | None
    chunk_bytes: int
    key: StoredKey
    leaves_sha256: bytes
    ciphertext_sha256: bytes
    signer: str | None
    authenticated: bytes
    signed_text: bytes
    signature: bytes | None

    @property
    def leaves_bytes(self) -> int:
        """Size of the leaf hashes after the header."""
        return self.events * LEAF_BYTES

    def signing_key(self, keys: Iterable[PublicKey]) -> PublicKey | None:
        """Return the key among these that signed the header; None if none of them did.

        Raises:
            TamperedError: It names one of them, and the signature is not that key's.
        """
        if self.signature is None:
            return None
        named = [key for key in keys if key.key_id.hex() == self.signer]
        for key in named:
            if key.verify(self.signed_text, self.signature):
                return key
        if named:
            message = "the sealed object was altered: the signature of its header does not match"
            raise TamperedError(message)
        return None


class _Header(msgspec.Struct):
    """The header's members without digests and signature."""

    format_version: int
    topic: str
    producer: str
    reason: str
    first_sequence: _Count | None
    last_sequence: _Count | None
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_RECORDS)]
    events: Annotated[int, msgspec.Meta(ge=0, le=MAX_RECORDS)]
    runs: Annotated[list[tuple[_Count, _Count]], msgspec.Meta(max_length=MAX_RUNS)] | None
    chunk_bytes: Annotated[int, msgspec.Meta(ge=MIN_CHUNK_BYTES, le=MAX_CHUNK_BYTES)]
    salt: str
    key_id: str | None = None
    keyid: str | None = None
    wrappedkey: str | None = None
    sealedkey: str | None = None


class _Version(msgspec.Struct):
    format_version: int


_decode_header = msgspec.json.Decoder(_Header).decode
_decode_version = msgspec.json.Decoder(_Version).decode


def seal_object(
    records: Sequence[StoredRecord],
    *,
    topic: str,
    producer: str,
    reason: str,
    key: ContentKey,
    signer: Signer | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> bytes:
    """Return the sealed object of ``records``.

    Args:
        records: 1 to 1,000,000 records of one producer.
        topic: Topic of the records.
        producer: Producer of the records.
        reason: Why Kafka did not accept them, in one word.
        key: A new content key; it must not seal anything else.
        signer: Signs the header; None where the service has no signing key.
        chunk_bytes: Plaintext bytes of a chunk.

    Raises:
        FormatError: A key or value is not UTF-8, or a bound is exceeded.
    """
    _require(1 <= len(records) <= MAX_RECORDS, f"it must contain 1 to {MAX_RECORDS} records")
    leaves = b"".join(leaf_hash(record.value) for record in records if record.sequence is not None)
    begin = _encode(_members(records, topic=topic, producer=producer, reason=reason, key=key.stored, size=chunk_bytes))
    begin = begin[:-1]
    ciphertext = _seal_chunks(encode_lines(records), key=key.plaintext, bound_to=begin, chunk_bytes=chunk_bytes)
    digests = b',"leaves_sha256":"%b","ciphertext_sha256":"%b"' % (_hex_digest(leaves), _hex_digest(ciphertext))
    line = _signed_line(begin + digests, signer)
    _require(len(line) <= MAX_HEADER_BYTES, f"its header must not be larger than {MAX_HEADER_BYTES} bytes")
    size = len(line) + 1 + len(leaves) + len(ciphertext)
    _require(size <= MAX_OBJECT_BYTES, f"it must not be larger than {MAX_OBJECT_BYTES} bytes")
    return b"".join((line, b"\n", leaves, ciphertext))


def decode_sealed_header(line: bytes) -> SealedHeader:
    """Return what a header line says; its signature is not verified.

    Raises:
        FormatError: It is malformed, too long, or of an unknown version.
    """
    _require(0 < len(line) <= MAX_HEADER_BYTES, "it has no header line")
    _require_version(line)
    # Quotes inside a text are escaped, so the last ending is the header's own.
    place = line.rfind(_BEGIN)
    ending = _ENDING.fullmatch(line, place) if place > 0 else None
    if ending is None:
        message = "the sealed object is refused: its header does not end with digests"
        raise FormatError(message)
    begin = line[:place]
    try:
        members = _decode_header(begin + b"}")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        message = "the sealed object is refused: its header line is malformed"
        raise FormatError(message) from exc
    key = StoredKey.of_members(
        key_id=members.key_id,
        salt=members.salt,
        keyid=members.keyid,
        wrappedkey=members.wrappedkey,
        sealedkey=members.sealedkey,
    )
    signature = ending["signature"]
    return SealedHeader(
        topic=members.topic,
        producer=members.producer,
        reason=members.reason,
        first_sequence=members.first_sequence,
        last_sequence=members.last_sequence,
        count=members.count,
        events=members.events,
        runs=_checked_runs(members),
        chunk_bytes=members.chunk_bytes,
        key=key,
        leaves_sha256=bytes.fromhex(ending["leaves"].decode()),
        ciphertext_sha256=bytes.fromhex(ending["ciphertext"].decode()),
        signer=None if signature is None else ending["signer"].decode(),
        authenticated=begin,
        signed_text=_SIGNED + (line[:-1] if signature is None else line[: line.rindex(b',"signature":"')]),
        signature=None if signature is None else canonical_base64.decode(signature.decode()),
    )


def chunk_nonce(number: int, *, is_last: bool) -> bytes:
    """Return the nonce of a chunk: its number in 11 bytes, and whether it is the last in one."""
    return number.to_bytes(_COUNTER_BYTES, "big") + (_LAST if is_last else _MORE)


def associated_data(header: bytes) -> bytes:
    """Return what every chunk is bound to: the digest of the header's authenticated bytes."""
    return hashlib.sha256(header).digest()


def _members(
    records: Sequence[StoredRecord], *, topic: str, producer: str, reason: str, key: StoredKey, size: int
) -> dict[str, object]:
    sequences = [record.sequence for record in records if record.sequence is not None]
    return {
        "format_version": SEALED_VERSION,
        "topic": topic,
        "producer": producer,
        "reason": reason,
        "first_sequence": min(sequences, default=None),
        "last_sequence": max(sequences, default=None),
        "count": len(records),
        "events": len(sequences),
        "runs": _runs(sequences),
        "chunk_bytes": size,
        **key.to_members(),
    }


def _runs(sequences: Sequence[int]) -> list[Run] | None:
    """Return the runs of rising numbers; None if they do not rise, or have too many holes."""
    runs: list[Run] = []
    for number in sequences:
        if runs and number == runs[-1].last + 1:
            runs[-1] = Run(runs[-1].first, number)
        elif runs and number <= runs[-1].last:
            return None
        else:
            runs.append(Run(number, number))
        if len(runs) > MAX_RUNS:
            return None
    return runs


def _checked_runs(members: _Header) -> tuple[Run, ...] | None:
    bounds = (members.first_sequence, members.last_sequence)
    _require((None in bounds) == (members.events == 0), "its sequences and its count disagree")
    _require(members.events <= members.count, "its sequences and its count disagree")
    if members.runs is None:
        return None
    runs = tuple(Run(first, last) for first, last in members.runs)
    rising = all(first <= last for first, last in runs) and all(one.last < two.first for one, two in pairwise(runs))
    stated = (runs[0].first, runs[-1].last) if runs else (None, None)
    count = sum(last - first + 1 for first, last in runs)
    _require(rising and stated == bounds and count == members.events, "its sequences and its count disagree")
    return runs


def _seal_chunks(plaintext: bytes, *, key: bytes, bound_to: bytes, chunk_bytes: int) -> bytes:
    cipher, bound = AESGCM(key), associated_data(bound_to)
    view = memoryview(plaintext)
    starts = range(0, len(plaintext), chunk_bytes)
    return b"".join(
        cipher.encrypt(
            chunk_nonce(number, is_last=start + chunk_bytes >= len(plaintext)), view[start : start + chunk_bytes], bound
        )
        for number, start in enumerate(starts)
    )


def _signed_line(begin: bytes, signer: Signer | None) -> bytes:
    if signer is None:
        return begin + b"}"
    signed = b'%b,"signer":"%b"' % (begin, PublicKey.parse(signer.public_key).key_id.hex().encode())
    signature = canonical_base64.encode(signer.sign(_SIGNED + signed)).encode()
    return b'%b,"signature":"%b"}' % (signed, signature)


def _require_version(line: bytes) -> None:
    try:
        version = _decode_version(line).format_version
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        message = "the sealed object is refused: its header line is malformed"
        raise FormatError(message) from exc
    if version != SEALED_VERSION:
        message = f"the sealed object has format version {version}; this library reads {SEALED_VERSION}"
        raise FormatError(message)


def _hex_digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


def _require(fits: bool, reason: str) -> None:
    if not fits:
        message = f"the sealed object is refused: {reason}"
        raise FormatError(message)
