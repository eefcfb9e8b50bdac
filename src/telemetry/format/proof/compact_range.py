"""Hashes a part of a Merkle tree alone, so that neighbouring parts can be joined in any order.

A verifier can read a stream in pieces, on several processors: each piece becomes a compact range, neighbouring ranges are
merged, and the range after a signed tree leads to the next signed tree. The construction is that of the compact ranges of
Trillian's Merkle library, over the hashes of RFC 6962 section 2.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof.merkle import HASH_BYTES, MAX_PATH, Frontier, node_hash, split_hashes, subtree_root

_SIZE_BYTES = 8
_MAX_SIZE = 1 << MAX_PATH


class CompactRange:
    """The leaves from ``start`` to before ``end`` of a tree, kept as the roots of its complete subtrees: O(log n) hashes.

    Ranges are values: two with the same leaves at the same place are equal, however they were put together.

    Args:
        start: Number of the first leaf, from 0.
        end: Number after the last leaf, less than 2**64.
        roots: Roots of the largest complete subtrees that fit into the range, from left to right.

    Raises:
        FormatError: The numbers are not those of a range, or the roots do not match them.
    """

    __slots__ = ("end", "roots", "start")

    def __init__(self, start: int, end: int, roots: Sequence[bytes]) -> None:
        if not 0 <= start <= end < _MAX_SIZE:
            message = "a range of leaves starts before 0, ends before it starts, or is too large"
            raise FormatError(message)
        if len(roots) != sum(1 for _ in _subtrees(start, end)) or any(len(root) != HASH_BYTES for root in roots):
            message = f"the state of the leaves {start} to {end} of a Merkle tree is malformed"
            raise FormatError(message)
        self.start = start
        self.end = end
        self.roots = tuple(roots)

    @classmethod
    def of(cls, start: int, leaves: bytes | bytearray | memoryview) -> CompactRange:
        """Return the range of leaf hashes that are packed one after the other.

        Args:
            start: Number of the first one.
            leaves: The leaf hashes.

        Raises:
            FormatError: The length is not a multiple of a hash's, or the numbers are too large.
        """
        count, rest = divmod(len(leaves), HASH_BYTES)
        if rest or start < 0 or start + count >= _MAX_SIZE:
            message = "the leaf hashes are cut off, or their numbers are not those of a tree"
            raise FormatError(message)
        view = memoryview(leaves)
        return cls(
            start,
            start + count,
            [
                subtree_root(bytes(view[(first - start) * HASH_BYTES : (first - start + size) * HASH_BYTES]))
                for first, size in _subtrees(start, start + count)
            ],
        )

    def merge(self, following: CompactRange) -> CompactRange:
        """Return the range of both; merging is associative.

        Args:
            following: The range that starts where this one ends.

        Raises:
            TamperedError: The ranges leave a gap or overlap.
        """
        if following.start != self.end:
            relation = "overlap" if following.start < self.end else "leave a gap"
            message = f"leaves {self.start} to {self.end} and {following.start} to {following.end} {relation}"
            raise TamperedError(message)
        joined = [*_placed(self)]
        for first, size, root in _placed(following):
            left, width, joint = first, size, root
            # A subtree and its left sibling are one subtree; that one may have a left sibling as well.
            while joined and joined[-1][1] == width and joined[-1][0] % (2 * width) == 0:
                left, _, sibling = joined.pop()
                width, joint = 2 * width, node_hash(sibling, joint)
            joined.append((left, width, joint))
        return CompactRange(self.start, following.end, [root for _, _, root in joined])

    def after(self, tree: Frontier) -> Frontier:
        """Return the tree of everything before ``end``.

        Args:
            tree: The tree of everything before ``start``; it stays as it is.

        Raises:
            TamperedError: The tree does not end where the range starts.
        """
        if tree.size != self.start:
            message = f"a tree of {tree.size} leaves does not end where leaf {self.start} starts"
            raise TamperedError(message)
        whole = tree.copy()
        for (_, size), root in zip(_subtrees(self.start, self.end), self.roots, strict=True):
            whole.push(root, size)
        return whole

    def to_bytes(self) -> bytes:
        """Return start and end, 8 bytes big-endian each, then the hashes."""
        numbers = self.start.to_bytes(_SIZE_BYTES, "big") + self.end.to_bytes(_SIZE_BYTES, "big")
        return numbers + b"".join(self.roots)

    @classmethod
    def from_bytes(cls, data: bytes) -> CompactRange:
        """Return the range that :meth:`to_bytes` wrote.

        Raises:
            FormatError: The length does not match the numbers, or these are not those of a range.
        """
        start = int.from_bytes(data[:_SIZE_BYTES], "big")
        end = int.from_bytes(data[_SIZE_BYTES : 2 * _SIZE_BYTES], "big")
        hashes = data[2 * _SIZE_BYTES :]
        if len(data) < 2 * _SIZE_BYTES or len(hashes) % HASH_BYTES:
            message = "the state of a part of a Merkle tree is malformed"
            raise FormatError(message)
        return cls(start, end, split_hashes(hashes))

    def __eq__(self, other: object) -> bool:
        """Return whether the other range has the same leaves at the same place."""
        return isinstance(other, CompactRange) and self._value() == other._value()

    def __hash__(self) -> int:
        """Return a hash of the value."""
        return hash(self._value())

    def __repr__(self) -> str:
        """Return the numbers of the leaves."""
        return f"CompactRange({self.start}, {self.end})"

    def _value(self) -> tuple[int, int, tuple[bytes, ...]]:
        return self.start, self.end, self.roots


def _placed(part: CompactRange) -> Iterator[tuple[int, int, bytes]]:
    """Yield the complete subtrees of a range: first leaf, number of leaves, root."""
    for (first, size), root in zip(_subtrees(part.start, part.end), part.roots, strict=True):
        yield first, size, root


def _subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the largest complete subtrees between two leaves: first leaf and number of leaves."""
    while start < end:
        size = 1 << ((end - start).bit_length() - 1)
        # A complete subtree begins at a multiple of its size.
        if start:
            size = min(size, start & -start)
        yield start, size
        start += size
