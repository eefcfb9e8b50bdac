"""Remembers the beginnings of proven leaf hashes, to tell equal copies from altered ones, in bounded memory."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections import deque
from typing import Any

from telemetry.format.proof.merkle import HASH_BYTES

DIGEST_BYTES = 8
"""Bytes of a leaf hash that are kept of a proven record."""

_CHUNK = 1 << 16


class ProvenDigests:
    """The first 8 bytes of the leaf hash of each proven record of one producer.

    An altered copy passes for an equal one only if it is a second preimage of 64 bits of SHA-256.

    Args:
        budget: Shared with the digests of other producers.
    """

    __slots__ = ("_budget", "_chunks", "_starts")

    def __init__(self, budget: DigestBudget) -> None:
        self._budget = budget
        self._starts: list[int] = []
        self._chunks: list[array[int]] = []

    def add(self, start: int, leaves: bytes | bytearray) -> None:
        """Remember records that were proven.

        Args:
            start: Sequence of the first record.
            leaves: Their leaf hashes, one after the other.
        """
        # Every fourth word of eight bytes is the beginning of a leaf hash.
        digests = array("Q", bytes(leaves))[:: HASH_BYTES // DIGEST_BYTES]
        if not digests:
            return
        # A chunk grows while records are proven in sequence, up to a bound: memory is given back in whole chunks.
        at = bisect_right(self._starts, start)
        if at and start == self._starts[at - 1] + len(self._chunks[at - 1]) and len(self._chunks[at - 1]) < _CHUNK:
            self._chunks[at - 1].extend(digests)
            self._budget.count_more(len(digests))
            return
        self._starts.insert(at, start)
        self._chunks.insert(at, digests)
        self._budget.add_chunk(self, start, len(digests))

    def get(self, sequence: int) -> bytes | None:
        """Return the digest of a proven record, or None where it is not known."""
        at = bisect_right(self._starts, sequence) - 1
        if at < 0 or sequence - self._starts[at] >= len(self._chunks[at]):
            return None
        return self._chunks[at][sequence - self._starts[at]].to_bytes(DIGEST_BYTES, sys.byteorder)

    def move_to(self, budget: DigestBudget) -> None:
        """Count what will be remembered in another budget; nothing may be remembered yet."""
        self._budget = budget

    def __reduce__(self) -> tuple[Any, ...]:
        # Empty in another process: when a stream is handed over, all its copies were compared.
        return ProvenDigests, (DigestBudget(0),)

    def forget(self, start: int) -> int:
        """Drop the chunk that begins at ``start``; return how many digests it had."""
        at = bisect_right(self._starts, start) - 1
        if at < 0 or self._starts[at] != start:
            return 0
        self._starts.pop(at)
        return len(self._chunks.pop(at))


class DigestBudget:
    """Bounds the digests of all producers together: the oldest chunks are dropped first.

    Args:
        most: How many digests are kept.
    """

    __slots__ = ("_chunks", "_count", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._chunks: deque[tuple[ProvenDigests, int]] = deque()

    def add_chunk(self, owner: ProvenDigests, start: int, count: int) -> None:
        """Register a new chunk of an owner, which may have to forget it later."""
        self._chunks.append((owner, start))
        self.count_more(count)

    def count_more(self, count: int) -> None:
        """Count more digests, and drop the oldest chunks while there are too many."""
        self._count += count
        # The last chunk may still grow, so it stays.
        while self._count > self._most and len(self._chunks) > 1:
            owner, start = self._chunks.popleft()
            self._count -= owner.forget(start)
