"""Finds out whether compressed records unpack to more than a limit, without unpacking more than that.

Headers state or bound the size in three of the four formats. What they state is believed only where a client refuses
the records if it is wrong.
"""

from __future__ import annotations

import struct
import zlib

from telemetry.kafka.peek.batch_header import Codec
from telemetry.kafka.peek.lz4_size import lz4_exceeds

_GZIP_MAGIC, _GZIP_TRAILER = b"\x1f\x8b", struct.Struct("<I")
_GZIP_SMALLEST = 18
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_DEFLATE_RATIO = 1_032
"""Deflate unpacks a byte to at most this many (zlib's technical details)."""
_PART = 256 << 10
_XERIAL_MAGIC, _XERIAL_HEADER_BYTES = b"\x82SNAPPY\x00", 16
_XERIAL_LENGTH = struct.Struct(">I")
_MOST_CHUNKS = 4_096
"""The Java client's chunks have 32 KiB: these are 128 MiB."""
_VARINT_BYTES = 5
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_SIZES = (0, 2, 4, 8)
_ZSTD_DICTIONARIES = (0, 1, 2, 4)
_ZSTD_ADDED = 256
"""RFC 8878 section 3.1.1.1.4: what is added to a size of two bytes."""


def exceeds(codec: Codec, packed: memoryview, limit: int, *, is_whole: bool) -> bool:
    """Return whether records unpack to more than a limit; False if that cannot be told, or they are damaged.

    Args:
        codec: How they are compressed.
        packed: The compressed records, or their beginning.
        limit: Bytes, at least 1.
        is_whole: Whether ``packed`` is all of it.
    """
    if codec is Codec.GZIP:
        return _gzip_exceeds(packed, limit, is_whole=is_whole)
    if codec is Codec.SNAPPY:
        return _snappy_exceeds(packed, limit)
    if codec is Codec.LZ4:
        return lz4_exceeds(packed, limit)
    if codec is Codec.ZSTD:
        return _zstd_size(packed) > limit
    return False


def _gzip_exceeds(packed: memoryview, limit: int, *, is_whole: bool) -> bool:
    if len(packed) * _DEFLATE_RATIO <= limit:
        return False
    # RFC 1952 section 2.3.1: the last four bytes are the size. A client unpacks everything, then compares them.
    if is_whole and packed[:2] == _GZIP_MAGIC and len(packed) >= _GZIP_SMALLEST:
        (stated,) = _GZIP_TRAILER.unpack_from(packed, len(packed) - _GZIP_TRAILER.size)
        if stated > limit:
            return True
    unpacker, size = zlib.decompressobj(_GZIP_OR_ZLIB), 0
    left: bytes | memoryview = packed
    try:
        while len(left) and not unpacker.eof and size <= limit:
            size += len(unpacker.decompress(left, _PART))
            left = unpacker.unconsumed_tail
    except zlib.error:
        return False
    return size > limit


def _snappy_exceeds(packed: memoryview, limit: int) -> bool:
    """Add up the sizes that are stated: a client allocates them before it unpacks, and refuses other ones."""
    if packed[: len(_XERIAL_MAGIC)] != _XERIAL_MAGIC:
        return _varint(packed, 0) > limit
    at, size = _XERIAL_HEADER_BYTES, 0
    for _ in range(_MOST_CHUNKS):
        if at + _XERIAL_LENGTH.size > len(packed) or size > limit:
            break
        size += _varint(packed, at + _XERIAL_LENGTH.size)
        at += _XERIAL_LENGTH.size + _XERIAL_LENGTH.unpack_from(packed, at)[0]
    return size > limit


def _varint(data: memoryview, at: int) -> int:
    """Return a number of at most 35 bits, seven of them a byte, the lowest first; 0 for none."""
    number = 0
    for place, byte in enumerate(data[at : at + _VARINT_BYTES]):
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004 - the highest bit says that more follow
            return number
    return 0


def _zstd_size(packed: memoryview) -> int:
    """Return the size that the frame states (RFC 8878 section 3.1.1.1); 0 for none: the client bounds it itself."""
    if packed[:4] != _ZSTD_MAGIC or len(packed) <= len(_ZSTD_MAGIC):
        return 0
    descriptor = packed[4]
    is_single_segment = bool(descriptor & 0x20)
    width = _ZSTD_SIZES[descriptor >> 6] or int(is_single_segment)
    at = 5 + int(not is_single_segment) + _ZSTD_DICTIONARIES[descriptor & 3]
    added = _ZSTD_ADDED if width == 2 else 0  # noqa: PLR2004 - a size of two bytes
    return int.from_bytes(packed[at : at + width], "little") + added
