"""Sorts more than fits into memory: sorted runs on the disk, which are merged."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import count

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.cli.output.sorting.sealed_run import Item, SealedRun, SortKey

MEMORY_BYTES = 32 << 20
"""Bytes of items that are sorted in memory."""
FAN_IN = 32
"""Runs that are merged into a longer one, so that their number stays small."""

_ITEM_BYTES = 500
"""Memory of an item beside its bytes: the key, and the objects around it."""


class ExternalSort:
    """Sorts items by their keys, and equal keys by their bytes: the result depends on the items alone.

    Args:
        memory: Bytes of items that are in memory before they are written.
        fan_in: Runs that are merged into one.
    """

    def __init__(self, *, memory: int = MEMORY_BYTES, fan_in: int = FAN_IN) -> None:
        self._most = memory
        self._fan_in = fan_in
        self._cipher: AESGCM | None = None
        self._numbers = count()
        self._items: list[Item] = []
        self._size = 0
        # Runs by level: those of a level are about as long as all of the level below together.
        self._levels: list[list[SealedRun]] = []

    def add(self, key: SortKey, item: bytes) -> None:
        """Add an item.

        Raises:
            StorageError: The disk is full, or a temporary file cannot be written.
        """
        self._items.append((key, item))
        self._size += len(item) + _ITEM_BYTES
        if self._size >= self._most:
            self._items.sort()
            self._put(0, self._items)
            self._items, self._size = [], 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield what was added, in order.

        Raises:
            StorageError: A temporary file cannot be read.
        """
        self._items.sort()
        runs: list[Iterable[Item]] = [run for level in self._levels for run in level]
        for _, item in heapq.merge(*runs, self._items):
            yield item

    def close(self) -> None:
        """Remove the temporary files, and forget the key."""
        for level in self._levels:
            for run in level:
                run.close()
        self._levels, self._items, self._cipher = [], [], None

    def _put(self, level: int, items: Iterable[Item]) -> None:
        """Write a run, and merge those of its level if there are enough of them."""
        if self._cipher is None:
            self._cipher = AESGCM(AESGCM.generate_key(256))
        run = SealedRun(items, cipher=self._cipher, number=next(self._numbers))
        if len(self._levels) == level:
            self._levels.append([])
        self._levels[level].append(run)
        if len(self._levels[level]) >= self._fan_in:
            merged, self._levels[level] = self._levels[level], []
            self._put(level + 1, heapq.merge(*merged))
            for each in merged:
                each.close()
