"""Encodes and decodes the object that keeps sealed records while Kafka is away: UTF-8 JSON lines (docs/format.md).

The first line describes the object, each further line is one record. The header's ``sha256`` is the digest of all
bytes after the header line; its last member, ``header_sha256``, is the digest of the header's bytes before that member,
so that no byte of the object can change unnoticed. The digests find damage; against a forger, the records' own seals and
checkpoints protect them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

import msgspec

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.objects.byte_parts import ByteParts, lines_of
from telemetry.format.objects.record_lines import StoredRecord, decode_line, decode_lines, encode_lines
from telemetry.format.objects.stored_name import ObjectName

__all__ = [
    "FORMAT_VERSION",
    "MAX_HEADER_BYTES",
    "MAX_OBJECT_BYTES",
    "MAX_RECORDS",
    "FallbackObject",
    "ObjectHeader",
    "PlainObjectReader",
    "StoredRecord",
    "decode_header",
    "decode_object",
    "encode_object",
    "require_own_name",
]

FORMAT_VERSION = 1
MAX_OBJECT_BYTES = 256 << 20
MAX_HEADER_BYTES = 64 << 10
MAX_RECORDS = 1_000_000

_SEAL = b',"header_sha256":"'
_SEAL_BYTES = len(_SEAL) + 64 + len(b'"}')


@dataclass(frozen=True, slots=True)
class ObjectHeader:
    """The first line of an object.

    Attributes:
        topic: Topic of the records.
        producer: Producer of the records.
        reason: Why Kafka did not accept them, in one word.
        first_sequence: Smallest sequence; None when there are checkpoints only.
        last_sequence: Largest sequence; None when there are checkpoints only.
        count: Number of records.
        sha256: Digest of the lines after the header, in hexadecimal.
        created: RFC 3339 time of the object's creation, if known.
        format_version: Version of the format.
        extra: Members that this version does not know, as they were.
    """

    topic: str
    producer: str
    reason: str
    first_sequence: int | None
    last_sequence: int | None
    count: int
    sha256: str
    created: str | None = None
    format_version: int = FORMAT_VERSION
    extra: Mapping[str, Any] = field(default_factory=dict)


class FallbackObject(NamedTuple):
    """A decoded object: its header, and its records in the order of the lines."""

    header: ObjectHeader
    records: list[StoredRecord]


_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Header(msgspec.Struct):
    """The header's members without its own digest."""

    format_version: int
    topic: str
    producer: str
    reason: str
    first_sequence: _Count | None
    last_sequence: _Count | None
    count: _Count
    sha256: str
    created: str | None = None


_KNOWN = frozenset((*_Header.__struct_fields__, "header_sha256"))
_encode = msgspec.json.Encoder().encode
_decode_members = msgspec.json.Decoder(dict[str, Any]).decode


def require_own_name(header: ObjectHeader, name: ObjectName) -> None:
    """Check that an object has the name that it was created with.

    Raises:
        TamperedError: It was renamed, moved, or exchanged with another one.
    """
    stated = (name.topic, name.producer, name.first, name.last)
    if stated != (header.topic, header.producer, header.first_sequence, header.last_sequence):
        message = "the fallback object's name and header disagree: it was renamed or exchanged"
        raise TamperedError(message)


def encode_object(
    records: Sequence[StoredRecord],
    *,
    topic: str,
    producer: str,
    reason: str,
    created: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> bytes:
    """Return the object of ``records``.

    Args:
        records: 1 to 1,000,000 records of one producer.
        topic: Topic of the records.
        producer: Producer of the records.
        reason: Why Kafka did not accept them, in one word.
        created: RFC 3339 time of the object's creation.
        extra: Further members of the header.

    Raises:
        FormatError: A key or value is not UTF-8, or a bound is exceeded.
    """
    _require(1 <= len(records) <= MAX_RECORDS, f"it must contain 1 to {MAX_RECORDS} records")
    rest = encode_lines(records)
    # The extra members come last, so that the header's own have one order and equal objects equal bytes.
    first, last = _bounds(records)
    header = _Header(FORMAT_VERSION, topic, producer, reason, first, last, len(records), _digest(rest), created)
    _require(not _KNOWN.intersection(extra or ()), "an extra member of its header has a reserved name")
    line = _seal(_encode({**msgspec.structs.asdict(header), **(extra or {})}))
    _require(len(line) <= MAX_HEADER_BYTES, f"its header must not be larger than {MAX_HEADER_BYTES} bytes")
    _require(len(line) + 1 + len(rest) <= MAX_OBJECT_BYTES, f"it must not be larger than {MAX_OBJECT_BYTES} bytes")
    return b"%b\n%b" % (line, rest)


def decode_object(data: bytes, *, max_bytes: int = MAX_OBJECT_BYTES) -> FallbackObject:
    """Decode an object and check every byte of it.

    Args:
        data: The whole object.
        max_bytes: Largest size that is accepted.

    Raises:
        FormatError: It is malformed, too large, or of an unknown version.
        TamperedError: A digest, the count or the sequences do not agree with its records.
    """
    # 1. Find the header line, within its bound: nothing is parsed before its size is known.
    _require(len(data) <= max_bytes, f"it is larger than {max_bytes} bytes")
    end = data.find(b"\n", 0, MAX_HEADER_BYTES + 1)
    _require(end > 0, "it has no header line")
    # 2. Decode the header; its own digest covers each of its bytes.
    header = _decode_header(data[:end])
    # 3. Compare the digest of the records with the header's, before any of them is parsed.
    rest = memoryview(data)[end + 1 :]
    _require_digest(rest, header.sha256, "its records were altered")
    # 4. Decode the records, and compare count and sequences with the header's.
    records = _decode_records(rest, header.count, newlines=data.count(b"\n") - 1)
    _require_agreement(header, records)
    return FallbackObject(header, records)


class PlainObjectReader:
    """One object, read from its beginning to its end; never more of it is in memory than a part and a record.

    Args:
        parts: Bytes of the object, in order, in parts of any size.

    Attributes:
        header: What its first line says.

    Raises:
        FormatError: The header is malformed or of an unknown version.
        TamperedError: The header was altered.
    """

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._bytes = ByteParts(parts, max_bytes=MAX_OBJECT_BYTES)
        self.header = _decode_header(self._bytes.line(MAX_HEADER_BYTES))

    def records(self) -> Iterator[StoredRecord]:
        """Yield the records; only after the last one is it known whether they are those that the header states.

        Raises:
            FormatError: A line is not a record.
            TamperedError: The digest, the count or the sequences do not agree with the header.
        """
        digest, count = hashlib.sha256(), 0
        first: int | None = None
        last: int | None = None
        for line in lines_of(_hashed(self._bytes.rest(), digest)):
            record = decode_line(line)
            count += 1
            if record.sequence is not None:
                first = record.sequence if first is None else min(first, record.sequence)
                last = record.sequence if last is None else max(last, record.sequence)
            yield record
        stated = (self.header.count, self.header.first_sequence, self.header.last_sequence)
        is_whole = hmac.compare_digest(digest.hexdigest().encode(), self.header.sha256.encode("utf-8", "replace"))
        if not is_whole or (count, first, last) != stated:
            message = "the fallback object was altered: its records are not the ones that its header states"
            raise TamperedError(message)


def _hashed(parts: Iterable[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for part in parts:
        digest.update(part)
        yield part


def decode_header(data: bytes) -> ObjectHeader:
    """Return the header of an object that begins with ``data``; its records are not read.

    Raises:
        FormatError: The header line is malformed, too long, or of an unknown version.
        TamperedError: The header was altered.
    """
    end = data.find(b"\n", 0, MAX_HEADER_BYTES + 1)
    _require(end > 0, "it has no header line")
    return _decode_header(data[:end])


def _decode_header(line: bytes) -> ObjectHeader:
    try:
        members = _decode_members(line)
        _require_version(members.get("format_version"))
        header = msgspec.convert(members, _Header)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        message = "the fallback object is refused: its header line is malformed"
        raise FormatError(message) from exc
    # Sealed again and compared as a whole: that also refuses a second ``header_sha256``, or anything after it.
    if not hmac.compare_digest(_seal(line[:-_SEAL_BYTES] + b"}"), line):
        message = "the fallback object was altered: its header does not have the digest it states"
        raise TamperedError(message)
    extra = {name: value for name, value in members.items() if name not in _KNOWN}
    return ObjectHeader(**msgspec.structs.asdict(header), extra=extra)


def _decode_records(rest: memoryview, count: int, *, newlines: int) -> list[StoredRecord]:
    _require(1 <= count <= MAX_RECORDS, f"it must contain 1 to {MAX_RECORDS} records")
    # The line decoder accepts blank lines and a last line without an end; an object has neither.
    if newlines != count:
        message = f"the fallback object was altered: it has {newlines} lines of records and states {count}"
        raise TamperedError(message)
    return decode_lines(rest)


def _require_agreement(header: ObjectHeader, records: list[StoredRecord]) -> None:
    stated = (header.count, header.first_sequence, header.last_sequence)
    if (len(records), *_bounds(records)) != stated:
        message = "the fallback object was altered: its records are not the ones that its header states"
        raise TamperedError(message)


def _require_version(version: object) -> None:
    # In Python ``True == 1``; in the format a version is a number.
    if version != FORMAT_VERSION or isinstance(version, bool):
        shown = version if isinstance(version, int) else "none"
        message = f"the fallback object has format version {shown}; this library reads {FORMAT_VERSION}"
        raise FormatError(message)


def _require_digest(data: memoryview, stated: str, reason: str) -> None:
    if not hmac.compare_digest(_digest(data).encode(), stated.encode("utf-8", "replace")):
        message = f"the fallback object was altered: {reason}"
        raise TamperedError(message)


def _require(fits: bool, reason: str) -> None:
    if not fits:
        message = f"the fallback object is refused: {reason}"
        raise FormatError(message)


def _bounds(records: Sequence[StoredRecord]) -> tuple[int | None, int | None]:
    sequences = [record.sequence for record in records if record.sequence is not None]
    return (min(sequences), max(sequences)) if sequences else (None, None)


def _digest(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def _seal(line: bytes) -> bytes:
    head = line[:-1]
    return b'%b%b%b"}' % (head, _SEAL, _digest(head).encode())
