"""Reads an object of a store like a file: any part of it, by one request each."""

from __future__ import annotations

import io

from telemetry.exceptions import TelemetryError
from telemetry.storage import StorageProvider


class StoreFile(io.RawIOBase):
    """An object, opened for reading. Objects are created once and never changed, so its size is asked once.

    Args:
        store: The store.
        name: Name of the object.
        size: Its size, where it is known.

    Raises:
        StorageNotFoundError: There is no such object.

    Attributes:
        error: The last error of the store; libraries that read this file may hide it.
    """

    def __init__(self, store: StorageProvider, name: str, *, size: int | None = None) -> None:
        super().__init__()
        self._store = store
        self._name = name
        self._size = store.size(name) if size is None else size
        self._position = 0
        self.error: TelemetryError | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def size(self) -> int:
        """Return the object's size in bytes."""
        return self._size

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            message = f"there is no position {base + offset} in {self._name!r}"
            raise ValueError(message)
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Read bytes from the position on.

        Args:
            size: How many; -1 for all that are left.
        """
        left = max(0, self._size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        if not wanted:
            return b""
        try:
            part = self._store.read_part(self._name, self._position, wanted)
        except TelemetryError as exc:
            self.error = exc
            raise
        self._position += len(part)
        return part

    def readall(self) -> bytes:
        """Read all bytes that are left."""
        return self.read(-1)

    def readinto(self, buffer: bytearray, /) -> int:  # type: ignore[override]
        """Read bytes into a buffer."""
        part = self.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)
