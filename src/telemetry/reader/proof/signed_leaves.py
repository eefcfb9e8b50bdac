"""Keeps the leaf hashes that trusted keys have signed: in memory first, then in a file without a name."""

from __future__ import annotations

from telemetry.format.proof.merkle import HASH_BYTES
from telemetry.system.spill_file import SpillFile

MAX_MEMORY_BYTES = 64 << 20
"""Leaf hashes in memory, of 2 million records; more of them move to the file."""


class SignedLeafStore:
    """Leaf hashes by where they were written.

    Args:
        memory: Bytes in memory.
    """

    def __init__(self, *, memory: int = MAX_MEMORY_BYTES) -> None:
        self._most = memory
        self._memory = bytearray()
        self._file = SpillFile()

    def append(self, leaves: bytes) -> int:
        """Keep leaf hashes; return where they begin.

        Raises:
            StorageError: The file cannot be written.
        """
        # Once something is in the file everything is, so that a position says which of the two has it.
        if not self._file.size and len(self._memory) + len(leaves) <= self._most:
            start = len(self._memory)
            self._memory += leaves
            return start
        return len(self._memory) + self._file.append(leaves)

    def leaf(self, position: int) -> bytes:
        """Return the leaf hash that was written at a position.

        Raises:
            StorageError: The file cannot be read.
        """
        if position < len(self._memory):
            return bytes(self._memory[position : position + HASH_BYTES])
        return self._file.read(position - len(self._memory), HASH_BYTES)

    def close(self) -> None:
        """Forget everything."""
        self._memory.clear()
        self._file.close()
