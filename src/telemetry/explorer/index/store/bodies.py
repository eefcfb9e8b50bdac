"""Keeps whole events: compressed, several together, so that what they have in common is kept once."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from telemetry.format.value.event import AuditEvent

_EVENTS = 32
_BYTES = 64 << 10
"""A block ends with so many events, or bytes of events: what is read for a single one."""
_LEVEL = 1
_BLOCK_BYTES = 300
"""Memory of a block beside its bytes."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AuditEvent).decode


class Block:
    """Some events, compressed together.

    Args:
        bodies: The events as JSON.
    """

    __slots__ = ("_data", "_ends")

    def __init__(self, bodies: Sequence[bytes]) -> None:
        self._data = zlib.compress(b"".join(bodies), _LEVEL)
        self._ends = array("I")
        end = 0
        for body in bodies:
            end += len(body)
            self._ends.append(end)

    @property
    def weight(self) -> int:
        """Bytes of memory for each of its events."""
        return (len(self._data) + _BLOCK_BYTES) // len(self._ends)

    @property
    def is_small(self) -> bool:
        """Whether it has so few events that several blocks should become one."""
        return len(self._ends) < _EVENTS // 2 and len(self._data) < _BYTES // 4

    def opened(self) -> list[bytes]:
        """Return the events as JSON."""
        data = zlib.decompress(self._data)
        return [data[start:end] for start, end in zip((0, *self._ends), self._ends, strict=False)]


Body = tuple[Block, int]
"""A block, and the position of an event in it."""


class BodyReader:
    """Reads events one after the other; neighbours are in one block, which is decompressed once."""

    def __init__(self) -> None:
        self._block: Block | None = None
        self._bodies: list[bytes] = []

    def event(self, body: Body) -> AuditEvent:
        """Return an event."""
        return _decode(self.json(body))

    def json(self, body: Body) -> bytes:
        """Return an event as JSON."""
        block, position = body
        if block is not self._block:
            self._bodies = block.opened()
            self._block = block
        return self._bodies[position]


def encoded(event: AuditEvent) -> bytes:
    """Return an event as JSON; decoded again it is the same event."""
    return _encode(event)


def packed(bodies: Iterable[bytes]) -> Iterator[Body]:
    """Yield the place of each event in blocks that are as full as their bounds allow."""
    waiting: list[bytes] = []
    size = 0
    for body in bodies:
        if waiting and (len(waiting) == _EVENTS or size + len(body) > _BYTES):
            yield from _places(waiting)
            waiting, size = [], 0
        waiting.append(body)
        size += len(body)
    if waiting:
        yield from _places(waiting)


def _places(bodies: Sequence[bytes]) -> Iterator[Body]:
    block = Block(bodies)
    for position in range(len(bodies)):
        yield block, position
