"""Holds leaf hashes that cannot be folded into a tree yet, in little more memory than the hashes themselves."""

from __future__ import annotations

from collections.abc import Iterator

from telemetry.format.proof.merkle import HASH_BYTES

PAGE_LEAVES = 256
PAGE_COST = 10
"""Memory of an empty page, in leaf hashes of 32 bytes."""


class LeafBudget:
    """Bounds what all windows hold together.

    Args:
        leaves: Leaf hashes of 32 bytes; a page costs some for itself.

    Attributes:
        remaining: How many more leaf hashes there is room for.
    """

    __slots__ = ("remaining",)

    def __init__(self, leaves: int) -> None:
        self.remaining = leaves


class _Page:
    """Leaf hashes of 256 sequences, packed in order, and a bit for each sequence that is present."""

    __slots__ = ("leaves", "mask")

    def __init__(self) -> None:
        self.mask = 0
        self.leaves = bytearray()

    def rank(self, slot: int) -> int:
        """Return the byte at which the leaf hash of a slot begins, or would begin."""
        return (self.mask & ((1 << slot) - 1)).bit_count() * HASH_BYTES


class LeafWindow:
    """Leaf hashes by sequence, in pages: 32 bytes an event in any order of arrival, however many are absent.

    Args:
        budget: Shared with the windows of other producers.

    Attributes:
        count: Leaf hashes held.
    """

    __slots__ = ("_budget", "_pages", "count")

    def __init__(self, budget: LeafBudget) -> None:
        self._budget = budget
        self._pages: dict[int, _Page] = {}
        self.count = 0

    def put(self, sequence: int, leaf: bytes) -> bool:
        """Hold a leaf hash that is not held yet; return False when there is no room for it."""
        if self._budget.remaining <= 0:
            return False
        number, slot = divmod(sequence, PAGE_LEAVES)
        page = self._pages.get(number)
        if page is None:
            self._budget.remaining -= PAGE_COST
            page = self._pages[number] = _Page()
        rank = page.rank(slot)
        # Inserted in order: at most 255 leaf hashes of the page move, usually none.
        page.leaves[rank:rank] = leaf
        page.mask |= 1 << slot
        self._budget.remaining -= 1
        self.count += 1
        return True

    def get(self, sequence: int) -> bytes | None:
        """Return a leaf hash, or None."""
        page = self._pages.get(sequence // PAGE_LEAVES)
        slot = sequence % PAGE_LEAVES
        if page is None or not page.mask >> slot & 1:
            return None
        rank = page.rank(slot)
        return bytes(page.leaves[rank : rank + HASH_BYTES])

    def put_run(self, start: int, leaves: bytes | bytearray) -> int:
        """Hold leaf hashes of records in sequence; return how many of them found room."""
        for count, at in enumerate(range(0, len(leaves), HASH_BYTES)):
            if not self.put(start + count, bytes(leaves[at : at + HASH_BYTES])):
                return count
        return len(leaves) // HASH_BYTES

    @property
    def is_full(self) -> bool:
        """Whether the budget is used up."""
        return self._budget.remaining <= 0

    def charge(self, leaves: int) -> None:
        """Count leaf hashes in the budget that are held elsewhere; a negative number gives room back."""
        self._budget.remaining -= leaves

    def move_to(self, budget: LeafBudget) -> None:
        """Count what is held, and will be, in another budget."""
        cost = self.count + len(self._pages) * PAGE_COST
        self._budget.remaining += cost
        self._budget = budget
        budget.remaining -= cost

    def take_run(self, start: int) -> bytes:
        """Remove and return the leaf hashes from ``start`` to the first one that is absent."""
        end = start
        while self._has(end):
            end += 1
        return self.take(start, end) if end > start else b""

    def take(self, start: int, end: int) -> bytes:
        """Remove and return the leaf hashes in ``[start, end)``; absent ones are left out."""
        removed = []
        for number, first, last in self._parts(start, end):
            page = self._pages[number]
            # Packed in order, so the leaf hashes of a range lie side by side.
            low, high = page.rank(first), page.rank(last)
            removed.append(bytes(page.leaves[low:high]))
            del page.leaves[low:high]
            page.mask &= ~(((1 << last) - 1) ^ ((1 << first) - 1))
            self._forget(number, page, (high - low) // HASH_BYTES)
        return b"".join(removed)

    def read(self, start: int, end: int) -> bytes:
        """Return the leaf hashes in ``[start, end)``, with 32 zero bytes for each absent one."""
        leaves = bytearray((end - start) * HASH_BYTES)
        for number, first, last in self._parts(start, end):
            page = self._pages[number]
            rank = page.rank(first)
            for slot in _bits(page.mask, first, last):
                at = (number * PAGE_LEAVES + slot - start) * HASH_BYTES
                leaves[at : at + HASH_BYTES] = page.leaves[rank : rank + HASH_BYTES]
                rank += HASH_BYTES
        return bytes(leaves)

    def present(self, start: int, end: int) -> Iterator[int]:
        """Yield the sequences in ``[start, end)`` whose leaf hashes are held, in order."""
        for number, first, last in self._parts(start, end):
            for slot in _bits(self._pages[number].mask, first, last):
                yield number * PAGE_LEAVES + slot

    def runs(self) -> Iterator[tuple[int, bytes]]:
        """Yield all leaf hashes, as first sequence and the leaf hashes of consecutive records."""
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
        """Return how many leaf hashes in ``[start, end)`` are held."""
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
        """Yield page number, first slot and end slot in it, for each page that exists."""
        # A range may span billions of sequences, and so may the pages: go through the smaller of the two.
        first_page, last_page = start // PAGE_LEAVES, (end - 1) // PAGE_LEAVES
        if last_page - first_page < len(self._pages):
            numbers = [number for number in range(first_page, last_page + 1) if number in self._pages]
        else:
            numbers = sorted(number for number in self._pages if first_page <= number <= last_page)
        for number in numbers:
            base = number * PAGE_LEAVES
            yield number, max(start - base, 0), min(end - base, PAGE_LEAVES)

    def _forget(self, number: int, page: _Page, count: int) -> None:
        """Give the room of removed leaf hashes back, and that of a page which is empty now."""
        self.count -= count
        self._budget.remaining += count
        if not page.mask:
            del self._pages[number]
            self._budget.remaining += PAGE_COST


def _bits(mask: int, first: int, last: int) -> Iterator[int]:
    """Yield the slots in ``[first, last)`` whose bit is set."""
    mask = mask >> first & ((1 << last - first) - 1)
    while mask:
        low = mask & -mask  # the lowest bit that is set
        yield first + low.bit_length() - 1
        mask ^= low
