"""Parses the header of a record batch: what a broker says of a batch without unpacking it.

The layout is that of the Apache Kafka protocol guide (Record Batch); every broker since 0.11 checks it when it appends.
"""

from __future__ import annotations

import struct
from enum import StrEnum
from typing import NamedTuple

_CURRENT = struct.Struct(">qiibIhiqqqhii")
_FORMER = struct.Struct(">qiIbb")
_MAGIC_AT, _CURRENT_MAGIC = 16, 2
_CODEC, _APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20

HEADER_BYTES = _CURRENT.size


class Codec(StrEnum):
    """How the records of a batch are compressed, in the order of Kafka's numbers.

    Attributes:
        NONE: Not at all.
        GZIP: RFC 1952.
        SNAPPY: Snappy, with or without the framing of the Java client.
        LZ4: LZ4 frames.
        ZSTD: RFC 8878.
        UNKNOWN: A number that no client knows.
    """

    NONE = "none"
    GZIP = "gzip"
    SNAPPY = "snappy"
    LZ4 = "lz4"
    ZSTD = "zstd"
    UNKNOWN = "unknown"


class BatchHeader(NamedTuple):
    """The header of a batch. It identifies the batch by its base; what else it says may be damaged.

    Attributes:
        base: Offset of its first record.
        size: Bytes of the whole batch, as they are on the topic.
        codec: How its records are compressed.
        is_transactional: Whether a transaction wrote it: this library never does.
        is_control: Whether the broker wrote it to end a transaction.
        timestamp: Latest time of its records, in seconds since the epoch; None where it states none.
        has_append_time: Whether that time is the broker's own.
        after: The offset after its last one, as it states; None where it states none.
        records: How many records it has, as it states; None where it states none.
    """

    base: int
    size: int
    codec: Codec
    is_transactional: bool = False
    is_control: bool = False
    timestamp: float | None = None
    has_append_time: bool = False
    after: int | None = None
    records: int | None = None


def parse_batch_header(data: bytes | memoryview) -> BatchHeader | None:
    """Return the header with which ``data`` begins; None if it is too short for one."""
    if len(data) <= _MAGIC_AT or len(data) < _FORMER.size:
        return None
    if data[_MAGIC_AT] != _CURRENT_MAGIC or len(data) < _CURRENT.size:
        # A message set of a broker before 0.11, or damage: its place and its size are in front of what differs.
        base, size, _, _, flags = _FORMER.unpack_from(data)
        return BatchHeader(base, size + 12, _codec(flags))
    base, size, _, _, _, flags, last, _, latest, *_, records = _CURRENT.unpack_from(data)
    return BatchHeader(
        base=base,
        size=size + 12,
        codec=_codec(flags),
        is_transactional=bool(flags & _TRANSACTIONAL),
        is_control=bool(flags & _CONTROL),
        timestamp=latest / 1_000 if latest >= 0 else None,
        has_append_time=bool(flags & _APPEND_TIME),
        after=base + last + 1,
        records=records,
    )


def _codec(flags: int) -> Codec:
    known = list(Codec)
    number = flags & _CODEC
    return known[number] if number < len(known) else Codec.UNKNOWN
