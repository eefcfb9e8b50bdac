"""Measures what LZ4 frames unpack to by walking over them: nothing is unpacked.

The layouts are those of the LZ4 frame format 1.6 and of the LZ4 block format. A block says of each of its sequences how
many bytes it yields, and its literals are skipped; so a run of zeros of any length is a few steps. A frame of many tiny
sequences would be hundreds of thousands: it is given up as too large, which no frame is that a client writes. Theirs
have full blocks, so that the number of blocks alone shows that they are small enough.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

_MAGIC = b"\x04\x22\x4d\x18"
_VERSION, _BLOCK_CHECKSUM, _CONTENT_SIZE, _DICTIONARY = 0x40, 0x10, 0x08, 0x01
_SIZE = struct.Struct("<Q")
_BLOCK = struct.Struct("<I")
_STORED = 1 << 31
_SHORTEST_HEAD = 15
"""With the size of the content; an empty frame has as many bytes without it."""
_LARGEST_BLOCKS = {4: 64 << 10, 5: 256 << 10, 6: 1 << 20, 7: 4 << 20}
_MOST_RATIO = 255
_BYTES_A_STEP = 8
"""Packed bytes for each sequence; ciphertext in base64 with its clear attributes has some forty."""
_BYTES_A_BLOCK = 32
_LONG, _FULL = 15, 255
_SHORTEST_MATCH = 4
_OFFSET_BYTES = 2
_FULL_BYTES = re.compile(rb"\xff*")

# By token: bytes of the sequence, and what it yields; 0 bytes where lengths of more bytes follow.
_STEPS = tuple(
    0 if token >> 4 == _LONG or token & 15 == _LONG else 1 + (token >> 4) + _OFFSET_BYTES for token in range(256)
)
_YIELDS = tuple((token >> 4) + (token & 15) + _SHORTEST_MATCH for token in range(256))


class _Head(NamedTuple):
    blocks_at: int
    largest: int
    stated: int
    trailer: int


def lz4_exceeds(packed: memoryview, limit: int) -> bool:
    """Return whether a frame unpacks to more than ``limit`` bytes, or makes it a labour to find out.

    False is the answer also if it is no frame, or is damaged before that.

    Args:
        packed: The frame, or its beginning.
        limit: Bytes, at least 1.
    """
    head = _parse_head(packed)
    if head is None or len(packed) * _MOST_RATIO <= limit:
        return False
    # A client refuses the frame if that is wrong.
    if head.stated > limit:
        return True
    blocks = _blocks(packed, head, most=len(packed) // _BYTES_A_BLOCK)
    if blocks is None:
        return True
    # Most frames of an honest producer need no more than this.
    most = sum(
        end - start if is_stored else min((end - start) * _MOST_RATIO, head.largest) for start, end, is_stored in blocks
    )
    return most > limit and _walk_exceeds(packed, blocks, head.largest, limit)


def _parse_head(packed: memoryview) -> _Head | None:
    if len(packed) < _SHORTEST_HEAD or packed[:4] != _MAGIC or packed[4] & 0xC0 != _VERSION:
        return None
    flags, at, stated = packed[4], 6, 0
    if flags & _CONTENT_SIZE:
        (stated,) = _SIZE.unpack_from(packed, at)
        at += _SIZE.size
    at += 4 * bool(flags & _DICTIONARY) + 1
    return _Head(at, _LARGEST_BLOCKS.get(packed[5] >> 4 & 7, 0), stated, 4 * bool(flags & _BLOCK_CHECKSUM))


def _blocks(packed: memoryview, head: _Head, *, most: int) -> list[tuple[int, int, bool]] | None:
    """Return start and end of each block, and whether it is stored as it is; None for too many."""
    found: list[tuple[int, int, bool]] = []
    at = head.blocks_at
    while at + _BLOCK.size <= len(packed):
        (word,) = _BLOCK.unpack_from(packed, at)
        size = word & ~_STORED
        if not size:
            break
        if len(found) > most:
            return None
        start = at + _BLOCK.size
        found.append((start, min(start + size, len(packed)), bool(word & _STORED)))
        at = start + size + head.trailer
    return found


def _walk_exceeds(packed: memoryview, blocks: list[tuple[int, int, bool]], largest: int, limit: int) -> bool:
    # A sequence at the very end may be read beyond it.
    data, size, steps = bytes(packed) + bytes(_LONG), 0, len(packed) // _BYTES_A_STEP
    for start, end, is_stored in blocks:
        if is_stored:
            size += end - start
        else:
            found, steps = _block_size(data, start, end, steps)
            size += min(found, largest)
        if size > limit or steps <= 0:
            return True
    return False


def _block_size(data: bytes, at: int, end: int, steps: int) -> tuple[int, int]:
    """Return what a block unpacks to, and how many of the steps are left; 0 if they were not enough."""
    size = token = 0
    lengths, yields = _STEPS, _YIELDS
    while at < end and steps:
        steps -= 1
        token = data[at]
        length = lengths[token]
        size += yields[token]
        if length:
            at += length
            continue
        literals, at = token >> 4, at + 1
        if literals == _LONG:
            at, more = _added(data, at, end)
            literals += more
            size += more
        at += literals + _OFFSET_BYTES
        if token & 15 == _LONG:
            at, more = _added(data, at, end)
            size += more
    # The last sequence of a block has literals only.
    return size - (token & 15) - _SHORTEST_MATCH if at > end else size, steps


def _added(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return where a length ends, and what its bytes add up to: it goes on while they are 255."""
    if at >= end:
        return at, 0
    first = data[at]
    if first < _FULL:
        return at + 1, first
    found = _FULL_BYTES.match(data, at, end)
    full = found.end() - at if found else 0
    return at + full + 1, _FULL * full + data[at + full]
