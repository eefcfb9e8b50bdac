"""Reads bytes that arrive in parts of any size: a line, so many bytes, or all lines one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.value.message import MAX_VALUE_BYTES

MAX_LINE_BYTES = 2 * MAX_VALUE_BYTES


class ByteParts:
    """Bytes that are read once, from their beginning to their end.

    Args:
        parts: The parts, in order.
        max_bytes: Largest sum that is accepted.
    """

    def __init__(self, parts: Iterable[bytes], *, max_bytes: int) -> None:
        self._parts = iter(parts)
        self._kept = bytearray()
        self._left = max_bytes

    def line(self, most: int) -> bytes:
        """Return the bytes up to the next end of a line, without it.

        Raises:
            FormatError: There is none within ``most`` bytes, or the line is empty.
        """
        end = -1
        while (end := self._kept.find(b"\n")) < 0 and len(self._kept) <= most and self._read_on():
            pass
        if not 0 < end <= most:
            message = "the fallback object is refused: it has no header line"
            raise FormatError(message)
        line = bytes(self._kept[:end])
        del self._kept[: end + 1]
        return line

    def exactly(self, size: int) -> bytes:
        """Return so many bytes.

        Raises:
            TamperedError: There are fewer.
        """
        data, _ = self.up_to(size)
        if len(data) != size:
            message = "the fallback object was altered: it was cut off"
            raise TamperedError(message)
        return data

    def up_to(self, size: int) -> tuple[bytes, bool]:
        """Return so many bytes, fewer at the end, and whether nothing follows them."""
        while len(self._kept) <= size and self._read_on():
            pass
        data = bytes(self._kept[:size])
        del self._kept[:size]
        return data, not self._kept

    def rest(self) -> Iterator[bytes]:
        """Yield everything that is left."""
        while self._kept or self._read_on():
            data = bytes(self._kept)
            self._kept.clear()
            yield data

    def _read_on(self) -> bool:
        part = next(self._parts, None)
        if part is None:
            return False
        self._left -= len(part)
        if self._left < 0:
            message = "the fallback object is refused: it is larger than an object may be"
            raise FormatError(message)
        self._kept += part
        return True


def lines_of(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a text that arrives in parts, without their ends.

    Raises:
        FormatError: A line is longer than a record can be.
        TamperedError: The last line has no end.
    """
    begun: list[bytes] = []
    size = 0
    for part in parts:
        start = 0
        # Found one by one: a part that is nothing but ends of lines must not become a list of them.
        while (end := part.find(b"\n", start)) >= 0:
            begun.append(part[start:end])
            yield b"".join(begun)
            begun, size, start = [], 0, end + 1
        begun.append(part[start:])
        size += len(part) - start
        if size > MAX_LINE_BYTES:
            message = f"the fallback object is refused: a line is longer than {MAX_LINE_BYTES} bytes"
            raise FormatError(message)
    if size:
        message = "the fallback object was altered: its last line has no end"
        raise TamperedError(message)
