"""Renders and parses the leaves of a witness's log: a line of text for each changed stream, read range and new seal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from telemetry.exceptions import FormatError
from telemetry.format import canonical_base64
from telemetry.format.proof.checkpoint_text import parse_topic
from telemetry.format.proof.merkle import HASH_BYTES
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.message import MAX_SEQUENCE

MAX_SOURCE = 4_096

_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_SIGNER = re.compile(r"[0-9a-f]{8}", re.ASCII)
_SOURCE = re.compile(r"/[!#-\[\]-~]*", re.ASCII)  # a URI reference; without the characters that JSON escapes
_CONTROL = re.compile(r"[\x00-\x1f]")
_MAX_NUMBER = (1 << 63) - 1
_STREAM_WORDS = 10
_RANGE_WORDS = 5
_SEAL_WORDS = 4
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEntry:
    """A stream as the witness saw it: its largest checkpoint that a trusted key has signed.

    Attributes:
        producer: UUIDv7 of the producer.
        size: Number of its records.
        root: Root hash of the tree over them.
        is_closed: The stream ends here.
        is_chained: It was proven to extend what the witness saw of the stream before; for the first time, nothing had to be.
        signer: Id of the key that signed, 8 hexadecimal digits.
        topic: Topic that the checkpoint was read from.
        partition: Its partition.
        offset: Offset of the checkpoint.
        source: CloudEvents source of the producer's events.
    """

    producer: str
    size: int
    root: bytes
    is_closed: bool
    is_chained: bool
    signer: str
    topic: str
    partition: int
    offset: int
    source: str

    def __str__(self) -> str:
        return " ".join(
            (
                "stream",
                self.producer,
                str(self.size),
                canonical_base64.encode(self.root),
                "closed" if self.is_closed else "open",
                "chained" if self.is_chained else "unchained",
                self.signer,
                self.topic,
                str(self.partition),
                str(self.offset),
                self.source,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeEntry:
    """A range of offsets that the witness read.

    Attributes:
        topic: The topic.
        partition: Its partition.
        low: First offset that was still there.
        start: First offset of the range.
        end: One more than its last offset; equal to ``start`` where nothing was new.
    """

    topic: str
    partition: int
    low: int
    start: int
    end: int

    def __str__(self) -> str:
        return f"range {self.topic} {self.partition} {self.low} {self.start} {self.end}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealEntry:
    """The newest seal of an archive that the witness watches; it follows every seal that the witness saw before.

    Attributes:
        archive: UUIDv7 of the archive.
        number: Number of the seal.
        digest: SHA-256 of its bytes, in hexadecimal.
        signer: Id of the key that signed it, 8 hexadecimal digits.
    """

    archive: str
    number: int
    digest: str
    signer: str

    def __str__(self) -> str:
        return f"seal {self.archive} {self.number} {self.digest} {self.signer}"


Entry = StreamEntry | RangeEntry | SealEntry


def parse_entry(text: str) -> Entry | None:
    """Return what a leaf says; None if it begins with a word that this version does not know.

    Raises:
        FormatError: The leaf is malformed.
    """
    kind, _, rest = text.partition(" ")
    if kind == "stream":
        return _parse_stream(rest.split(" ", _STREAM_WORDS - 1))
    if kind == "range":
        return _parse_range(rest.split(" "))
    if kind == "seal":
        return _parse_seal(rest.split(" "))
    return None


def require_leaf(text: str) -> None:
    """Raise ``FormatError`` if a text cannot be a leaf: it is one line without control characters."""
    if not text or _CONTROL.search(text):
        message = "a leaf of the roster is not one line of text"
        raise FormatError(message)


def _parse_stream(words: Sequence[str]) -> StreamEntry:
    if len(words) != _STREAM_WORDS:
        message = "a leaf of the roster names no stream"
        raise FormatError(message)
    producer, size, root, state, chain, signer, topic, partition, offset, source = words
    decoded = canonical_base64.decode(root)
    if (
        not is_uuid(producer)
        or decoded is None
        or len(decoded) != HASH_BYTES
        or state not in ("open", "closed")
        or chain not in ("chained", "unchained")
        or not _SIGNER.fullmatch(signer)
        or not _SOURCE.fullmatch(source)
        or len(source) > MAX_SOURCE
    ):
        message = "a leaf of the roster names a stream in another form than this format prescribes"
        raise FormatError(message)
    # A stream has a leaf for each round in which it grew: what its leaves have in common is kept once.
    return StreamEntry(
        producer=_shared(producer),
        size=_number(size, MAX_SEQUENCE + 1),
        root=decoded,
        is_closed=state == "closed",
        is_chained=chain == "chained",
        signer=_shared(signer),
        topic=_shared(parse_topic(topic)),
        partition=_number(partition),
        offset=_number(offset),
        source=_shared(source),
    )


@lru_cache(maxsize=1 << 16)
def _shared(text: str) -> str:
    """Return the same object for equal texts."""
    return text


def _parse_range(words: Sequence[str]) -> RangeEntry:
    if len(words) != _RANGE_WORDS:
        message = "a leaf of the roster names no range"
        raise FormatError(message)
    topic = parse_topic(words[0])
    partition, low, start, end = map(_number, words[1:])
    if start > end:
        message = "a range of the roster ends before it begins"
        raise FormatError(message)
    return RangeEntry(topic=topic, partition=partition, low=low, start=start, end=end)


def _parse_seal(words: Sequence[str]) -> SealEntry:
    # Words that follow belong to a later version.
    archive, number, digest, signer = (*words, "", "", "", "")[:_SEAL_WORDS]
    if not is_uuid(archive) or not _DIGEST.fullmatch(digest) or not _SIGNER.fullmatch(signer):
        message = "a leaf of the roster names no seal"
        raise FormatError(message)
    return SealEntry(archive=_shared(archive), number=_number(number), digest=digest, signer=_shared(signer))


def _number(text: str, most: int = _MAX_NUMBER) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > most:
        message = "a leaf of the roster has something else where a number is expected"
        raise FormatError(message)
    return int(text)
