"""Leaf hashes that cannot be folded into a tree yet, in as little memory as they need."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator

from telemetry.format.proof.merkle import HASH_BYTES
from telemetry.reader.open.duplicates import SeenSequences

PAGE_LEAVES = 256
PAGE_COST = 10
"""What a page itself costs, in leaves of 32 bytes."""
DIGEST_BYTES = 8

MAX_UNHELD_RANGES = 1 << 16

_CHUNK = 1 << 16


class LeafBudget:
    """How much all windows together may still hold.

    Args:
        leaves: Of 32 bytes; a page costs some for itself.
    """

    __slots__ = ("left",)

    def __init__(self, leaves: int) -> None:
        self.left = leaves


class _Page:
    """Leaf hashes of 256 sequences, packed, and a bit for each that is there."""

    __slots__ = ("leaves", "mask")

    def __init__(self) -> None:
        self.mask = 0
        self.leaves = bytearray()

    def rank(self, at: int) -> int:
        """Return where the leaf hash of a place in the page begins, or would begin."""
        return (self.mask & ((1 << at) - 1)).bit_count() * HASH_BYTES


class LeafWindow:
    """Leaf hashes by sequence, in pages: any order of arrival, and any share of the sequences, costs 32 bytes an event.

    Args:
        budget: Shared with the windows of other producers.
    """

    __slots__ = ("_budget", "_pages", "count")

    def __init__(self, budget: LeafBudget) -> None:
        self._budget = budget
        self._pages: dict[int, _Page] = {}
        self.count = 0

    def put(self, sequence: int, leaf: bytes) -> bool:
        """Keep a leaf hash that is not kept yet; False when there is no room for it."""
        if self._budget.left <= 0:
            return False
        number, at = divmod(sequence, PAGE_LEAVES)
        page = self._pages.get(number)
        if page is None:
            self._budget.left -= PAGE_COST
            page = self._pages[number] = _Page()
        rank = page.rank(at)
        page.leaves[rank:rank] = leaf
        page.mask |= 1 << at
        self._budget.left -= 1
        self.count += 1
        return True

    def get(self, sequence: int) -> bytes | None:
        """Return a leaf hash, or None."""
        page = self._pages.get(sequence // PAGE_LEAVES)
        at = sequence % PAGE_LEAVES
        if page is None or not page.mask >> at & 1:
            return None
        rank = page.rank(at)
        return bytes(page.leaves[rank : rank + HASH_BYTES])

    def put_run(self, start: int, leaves: bytes | bytearray) -> int:
        """Keep leaf hashes that stand one after the other; return how many of them found room."""
        for count, at in enumerate(range(0, len(leaves), HASH_BYTES)):
            if not self.put(start + count, bytes(leaves[at : at + HASH_BYTES])):
                return count
        return len(leaves) // HASH_BYTES

    def take_run(self, start: int) -> bytes:
        """Remove and return the leaf hashes from ``start`` to the first one that is absent."""
        end = start
        while self._has(end):
            end += 1
        return self.take(start, end) if end > start else b""

    def take(self, start: int, end: int) -> bytes:
        """Remove and return the leaf hashes in ``[start, end)``; those that are absent are left out."""
        taken = []
        for number, first, last in self._parts(start, end):
            page = self._pages[number]
            low, high = page.rank(first), page.rank(last)
            taken.append(bytes(page.leaves[low:high]))
            del page.leaves[low:high]
            page.mask &= ~(((1 << last) - 1) ^ ((1 << first) - 1))
            self._forget(number, page, (high - low) // HASH_BYTES)
        return b"".join(taken)

    def read(self, start: int, end: int) -> bytes:
        """Return the leaf hashes in ``[start, end)``; 32 zero bytes stand for those that are absent."""
        found = bytearray((end - start) * HASH_BYTES)
        for number, first, last in self._parts(start, end):
            page = self._pages[number]
            rank = page.rank(first)
            for place in _bits(page.mask, first, last):
                at = (number * PAGE_LEAVES + place - start) * HASH_BYTES
                found[at : at + HASH_BYTES] = page.leaves[rank : rank + HASH_BYTES]
                rank += HASH_BYTES
        return bytes(found)

    def present(self, start: int, end: int) -> Iterator[int]:
        """Yield the sequences in ``[start, end)`` that are kept, in order."""
        for number, first, last in self._parts(start, end):
            for place in _bits(self._pages[number].mask, first, last):
                yield number * PAGE_LEAVES + place

    def runs(self) -> Iterator[tuple[int, bytes]]:
        """Yield what is kept, as first sequence and leaf hashes one after the other."""
        for number in sorted(self._pages):
            start, leaves = 0, b""
            for sequence in self.present(number * PAGE_LEAVES, (number + 1) * PAGE_LEAVES):
                if leaves and sequence != start + len(leaves) // HASH_BYTES:
                    yield start, leaves
                    leaves = b""
                start = start if leaves else sequence
                leaves += self.read(sequence, sequence + 1)
            if leaves:
                yield start, leaves

    def count_in(self, start: int, end: int) -> int:
        """Return how many sequences in ``[start, end)`` are kept."""
        parts = ((self._pages[number], first, last) for number, first, last in self._parts(start, end))
        return sum(page.rank(last) - page.rank(first) for page, first, last in parts) // HASH_BYTES

    def absent(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the gaps in ``[start, end)`` as first and last sequence."""
        at = start
        for sequence in self.present(start, end):
            if sequence > at:
                yield at, sequence - 1
            at = sequence + 1
        if at < end:
            yield at, end - 1

    def _has(self, sequence: int) -> bool:
        page = self._pages.get(sequence // PAGE_LEAVES)
        return page is not None and bool(page.mask >> sequence % PAGE_LEAVES & 1)

    def _parts(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield page number, first and last place in the page, for each page that exists."""
        first_page, last_page = start // PAGE_LEAVES, (end - 1) // PAGE_LEAVES
        if last_page - first_page < len(self._pages):
            numbers = [number for number in range(first_page, last_page + 1) if number in self._pages]
        else:
            numbers = sorted(number for number in self._pages if first_page <= number <= last_page)
        for number in numbers:
            base = number * PAGE_LEAVES
            yield number, max(start - base, 0), min(end - base, PAGE_LEAVES)

    def _forget(self, number: int, page: _Page, count: int) -> None:
        self.count -= count
        self._budget.left += count
        if not page.mask:
            del self._pages[number]
            self._budget.left += PAGE_COST


def _bits(mask: int, first: int, last: int) -> Iterator[int]:
    """Yield the places from ``first`` to ``last`` whose bit is set."""
    mask = mask >> first & ((1 << last - first) - 1)
    while mask:
        low = mask & -mask
        yield first + low.bit_length() - 1
        mask ^= low


class UnheldSequences(SeenSequences):
    """Sequences that were seen when there was no room to hold their leaf hashes.

    Their number is bounded as well: with too many, the oldest gap is closed, as if it had been seen. Whoever reports
    must say that records were not held.
    """

    __slots__ = ()

    def add(self, sequence: int) -> bool:
        """Note a sequence; return False if it was seen before."""
        added = super().add(sequence)
        if len(self._starts) > MAX_UNHELD_RANGES:
            self._starts.pop(1)
            self._ends.pop(0)
        return added

    def add_range(self, start: int, end: int) -> None:
        """Note the sequences in ``[start, end)``, which are above all others."""
        self._starts.append(start)
        self._ends.append(end)

    def ranges(self) -> list[tuple[int, int]]:
        """Return first and one more than the last sequence of each range."""
        return list(zip(self._starts, self._ends, strict=True))

    @property
    def is_empty(self) -> bool:
        """Whether every record found room."""
        return not self._starts

    def absent(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the gaps in ``[start, end)`` as first and last sequence."""
        at = start
        for number in range(max(bisect_right(self._starts, start) - 1, 0), len(self._starts)):
            if self._starts[number] >= end:
                break
            if self._starts[number] > at:
                yield at, self._starts[number] - 1
            at = max(at, self._ends[number])
        if at < end:
            yield at, end - 1


class ProvenDigests:
    """The first 8 bytes of the leaf hash of each proven record, to tell later copies from altered ones.

    Whoever wants an altered copy to pass for a duplicate needs a second preimage of 64 bits of SHA-256.

    Args:
        shelf: All chunks of all producers, oldest first; the verifier removes the oldest when there are too many.
    """

    __slots__ = ("_chunks", "_shelf", "_starts")

    def __init__(self, shelf: DigestShelf) -> None:
        self._shelf = shelf
        self._starts: list[int] = []
        self._chunks: list[array[int]] = []

    def add(self, start: int, leaves: bytes | bytearray) -> None:
        """Note records that were proven, given their leaf hashes one after the other."""
        digests = array("Q", bytes(leaves))[:: HASH_BYTES // DIGEST_BYTES]
        if not digests:
            return
        at = bisect_right(self._starts, start)
        if at and start == self._starts[at - 1] + len(self._chunks[at - 1]) and len(self._chunks[at - 1]) < _CHUNK:
            self._chunks[at - 1].extend(digests)
            self._shelf.grew(len(digests))
            return
        self._starts.insert(at, start)
        self._chunks.insert(at, digests)
        self._shelf.put(self, start, len(digests))

    def get(self, sequence: int) -> bytes | None:
        """Return the digest of a proven record; None where it is not known."""
        at = bisect_right(self._starts, sequence) - 1
        if at < 0 or sequence - self._starts[at] >= len(self._chunks[at]):
            return None
        return self._chunks[at][sequence - self._starts[at]].to_bytes(DIGEST_BYTES, sys.byteorder)

    def forget(self, start: int) -> int:
        """Drop the chunk that begins at ``start``; return how many digests it had."""
        at = bisect_right(self._starts, start) - 1
        if at < 0 or self._starts[at] != start:
            return 0
        self._starts.pop(at)
        return len(self._chunks.pop(at))


class DigestShelf:
    """Bounds the digests of all producers together.

    Args:
        most: How many digests are kept.
    """

    __slots__ = ("_chunks", "_count", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._chunks: deque[tuple[ProvenDigests, int]] = deque()

    def put(self, owner: ProvenDigests, start: int, count: int) -> None:
        """Note a new chunk."""
        self._chunks.append((owner, start))
        self.grew(count)

    def grew(self, count: int) -> None:
        """Note more digests, and drop the oldest chunks while there are too many."""
        self._count += count
        while self._count > self._most and len(self._chunks) > 1:
            owner, start = self._chunks.popleft()
            self._count -= owner.forget(start)
