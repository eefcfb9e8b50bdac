"""Keeps the leaf hashes that trusted keys have signed: in memory first, then in files without a name."""

from __future__ import annotations

from telemetry.format.proof.merkle import HASH_BYTES
from telemetry.system.spill_file import SpillFile

MAX_MEMORY_BYTES = 64 << 20
"""Leaf hashes in memory, of 2 million records; more of them move to files."""
FILE_BYTES = 1 << 30
MAX_FILES = 8
"""Files with the leaf hashes of 32 million records each; a reader that follows a trail for long forgets the oldest."""

_FILE_SHIFT = 40


class SignedLeafStore:
    """Leaf hashes by their position: the number of a file, and where in the file they are.

    Args:
        memory: Bytes in memory.
        file: Bytes of a file.
    """

    def __init__(self, *, memory: int = MAX_MEMORY_BYTES, file: int = FILE_BYTES) -> None:
        self._most = memory
        self._file_bytes = file
        # Number 0 stands for the memory.
        self._memory = bytearray()
        self._files: dict[int, SpillFile] = {}
        self._newest = 0

    def append(self, leaves: bytes) -> int:
        """Keep leaf hashes; return the position of the first one. The others follow it, each after ``HASH_BYTES``.

        Raises:
            StorageError: The file cannot be written.
        """
        if not self._newest and len(self._memory) + len(leaves) <= self._most:
            start = len(self._memory)
            self._memory += leaves
            return start
        file = self._files.get(self._newest)
        if file is None or file.size >= self._file_bytes:
            self._newest += 1
            file = self._files[self._newest] = SpillFile()
        if len(self._files) > MAX_FILES:
            self._files.pop(self._newest - MAX_FILES).close()
        return self._newest << _FILE_SHIFT | file.append(leaves)

    def leaf(self, position: int) -> bytes | None:
        """Return the leaf hash at a position; None if it is forgotten.

        Raises:
            StorageError: The file cannot be read.
        """
        number, start = position >> _FILE_SHIFT, position & (1 << _FILE_SHIFT) - 1
        if not number:
            return bytes(self._memory[start : start + HASH_BYTES])
        file = self._files.get(number)
        return file.read(start, HASH_BYTES) if file is not None else None

    def close(self) -> None:
        """Forget everything."""
        self._memory.clear()
        for file in self._files.values():
            file.close()
        self._files.clear()
