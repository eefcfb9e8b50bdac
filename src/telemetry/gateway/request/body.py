"""Reads the body of a request: bounded while it comes in, and bounded again while it is decompressed."""

from __future__ import annotations

import asyncio
import itertools
import zlib
from typing import Protocol

from starlette.requests import ClientDisconnect, Request

from telemetry.gateway.body_room import BodyShare
from telemetry.gateway.request.refused_request import RefusedRequestError

CODINGS = ("gzip", "identity")
"""What a body may be compressed with (RFC 9110 section 8.4.1)."""

_RETRY_SECONDS = 1
"""What a caller is told to wait: bodies are worked on within a fraction of it."""
_GZIP = frozenset(("gzip", "x-gzip"))
_GZIP_WINDOW = 31
"""zlib's word for: the largest window, with gzip's header and checksum."""
MAX_MEMBERS = 1_000
_PIECE_BYTES = 1 << 16
_PIECES_IN_A_ROW = 4
"""Pieces that are decompressed before other requests have their turn: about a millisecond of work."""


class BodyLimits(Protocol):
    """What bounds a body."""

    @property
    def max_body_bytes(self) -> int:
        """Size of a body as it is sent."""

    @property
    def max_inflated_bytes(self) -> int:
        """Size of a body after decompression."""


async def read_body(request: Request, *, limits: BodyLimits, share: BodyShare) -> bytes:
    """Return the body of a request, decompressed.

    Args:
        request: The request.
        limits: Its bounds.
        share: Takes the bytes, while they come in.

    Raises:
        RefusedRequestError: The body is too large (413), is compressed in a way that is not read (415), or is damaged or
            not complete (400).
    """
    is_compressed = _is_compressed(request)
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limits.max_body_bytes:
        raise _too_large(limits.max_body_bytes)
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > limits.max_body_bytes:
                raise _too_large(limits.max_body_bytes)
            _take(share, len(piece))
            pieces.append(piece)
    except ClientDisconnect as exc:
        # The answer reaches nobody; nothing of a body that is cut off may be logged.
        raise RefusedRequestError(400, "the connection ended before the body; send it again") from exc
    body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    return await _decompressed(body, limit=limits.max_inflated_bytes, share=share) if is_compressed else body


def _is_compressed(request: Request) -> bool:
    codings = [
        coding.strip().lower()
        for line in request.headers.getlist("content-encoding")
        for coding in line.split(",")
        if coding.strip()
    ]
    codings = [coding for coding in codings if coding != "identity"]
    if len(codings) > 1 or not _GZIP.issuperset(codings):
        detail = "the body is compressed in a way that is not read here; send it with gzip, once, or as it is"
        raise RefusedRequestError(415, detail, headers={"accept-encoding": ", ".join(CODINGS)})
    return bool(codings)


async def _decompressed(data: bytes, *, limit: int, share: BodyShare) -> bytes:
    """Return the content of gzip data: one member, or several one after the other (RFC 1952 section 2.2)."""
    content = _Content(limit, share)
    view = memoryview(data)
    at, members = 0, 0
    try:
        while at < len(view):
            members += 1
            if members > MAX_MEMBERS:
                raise RefusedRequestError(400, f"the gzip data has more than {MAX_MEMBERS} members; compress it as one")
            at = await _member(view, at, content)
    except zlib.error as exc:
        raise RefusedRequestError(400, "the body is no valid gzip data; check what compresses it") from exc
    return b"".join(content.pieces)


class _Content:
    """What came out of a body so far.

    Args:
        limit: Most bytes of it.
        share: Takes the bytes.

    Attributes:
        pieces: The content.
    """

    def __init__(self, limit: int, share: BodyShare) -> None:
        self.pieces: list[bytes] = []
        self._limit = limit
        self._share = share
        self._size = 0

    def add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            raise _too_large(self._limit, when=" after decompression")
        _take(self._share, len(piece))
        self.pieces.append(piece)


async def _member(view: memoryview, at: int, content: _Content) -> int:
    """Decompress one member; return where the next one begins."""
    member = zlib.decompressobj(_GZIP_WINDOW)
    rest: bytes | memoryview = b""
    for count in itertools.count(1):
        # In small windows: what zlib does not use is copied with each call.
        if not rest:
            rest = view[at : at + _PIECE_BYTES]
            at += len(rest)
        if not rest:
            raise RefusedRequestError(400, "the gzip data of the body is not complete; send it again")
        content.add(member.decompress(rest, _PIECE_BYTES))
        rest = member.unconsumed_tail
        if member.eof:
            break
        if count % _PIECES_IN_A_ROW == 0:
            await asyncio.sleep(0)
    return at - len(member.unused_data)


def _take(share: BodyShare, size: int) -> None:
    if not share.take(size):
        detail = "the bodies of other requests fill the memory that requests share; send it again later"
        raise RefusedRequestError(429, detail, retry_after=_RETRY_SECONDS)


def _too_large(limit: int, *, when: str = "") -> RefusedRequestError:
    return RefusedRequestError(413, f"the body has more than {limit} bytes{when}; send smaller batches")
