"""Keeps the different records that claim to be the one to be proven, until a leaf hash tells which one is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from telemetry.format.proof.merkle import leaf_hash
from telemetry.reader.prove.fair_room import FairRoom
from telemetry.system.spill_file import SpillFile

MAX_CANDIDATES = 100_000
"""Different records that claim the sequence; more of them are dropped."""
MAX_MEMORY_BYTES = 16 << 20
"""Values in memory; more of them move to a file without a name."""


class Candidates:
    """Records that claim one sequence: anyone can write them, so they are bounded in memory and in number.

    Args:
        memory: Bytes of values in memory; what exceeds them goes to the file.
        room: How many values there is room for, if it is shared.
        file: File that is shared; its owner closes it.

    Attributes:
        dropped: How many different records found no room.
    """

    def __init__(
        self, *, memory: int = MAX_MEMORY_BYTES, room: FairRoom | None = None, file: SpillFile | None = None
    ) -> None:
        self._most_in_memory = memory
        self._room = room or FairRoom(MAX_CANDIDATES, parties=1)
        self._values: dict[bytes, bytes | tuple[int, int]] = {}
        self._in_memory = 0
        self._file = file or SpillFile()
        self.dropped = 0

    def add(self, value: bytes) -> None:
        """Keep a value.

        Raises:
            StorageError: The file cannot be written.
        """
        leaf = leaf_hash(value)
        if leaf in self._values:
            return
        if not self._room.take(len(self._values)):
            self.dropped += 1
        elif self._in_memory + len(value) <= self._most_in_memory:
            self._in_memory += len(value)
            self._values[leaf] = value
        else:
            self._values[leaf] = self._file.append(value), len(value)

    def get(self, leaf: bytes) -> bytes | None:
        """Return the value with this leaf hash, or None.

        Raises:
            StorageError: The file cannot be read.
        """
        kept = self._values.get(leaf)
        return self._file.read(*kept) if isinstance(kept, tuple) else kept

    def first(self, most: int) -> Iterator[bytes]:
        """Yield the values that were read first, at most so many."""
        for kept in islice(self._values.values(), most):
            yield self._file.read(*kept) if isinstance(kept, tuple) else kept

    def __len__(self) -> int:
        return len(self._values)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
