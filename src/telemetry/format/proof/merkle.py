"""Computes the Merkle tree over a producer's records (RFC 6962 section 2.1) and proves that a record is in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from telemetry.exceptions import FormatError, TamperedError

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256().digest()
"""Root of a tree without leaves (RFC 6962 section 2.1)."""
MAX_PATH = 64
"""Levels of the largest tree whose size has 64 bits."""

_SIZE_BYTES = 8

_sha256 = hashlib.sha256


def leaf_hash(value: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256(0x00 || value)."""
    return _sha256(b"\x00" + value).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256(0x01 || left || right)."""
    return _sha256(b"\x01" + left + right).digest()


class Frontier:
    """An append-only tree, kept as the roots of its complete subtrees: O(log n) hashes.

    Args:
        size: Number of leaves.
        roots: Roots of the complete subtrees, largest first; one for each bit that is set in ``size``.

    Raises:
        FormatError: The number of roots does not match the size.
    """

    __slots__ = ("_roots", "size")

    def __init__(self, size: int = 0, roots: Sequence[bytes] = ()) -> None:
        if len(roots) != size.bit_count() or any(len(root) != HASH_BYTES for root in roots):
            message = f"the state of a Merkle tree of {size} leaves is malformed"
            raise FormatError(message)
        self.size = size
        self._roots = list(roots)

    @property
    def roots(self) -> tuple[bytes, ...]:
        """Roots of the complete subtrees, largest first."""
        return tuple(self._roots)

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash; amortised one more hash."""
        size, roots = self.size, self._roots
        self.size = size + 1
        # Each bit that is set is a complete subtree; like a carry, the leaf joins the smallest ones of equal size.
        while size & 1:
            leaf = _sha256(b"\x01" + roots.pop() + leaf).digest()
            size >>= 1
        roots.append(leaf)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes."""
        for leaf in leaves:
            self.append(leaf)

    def extend_packed(self, leaves: bytes | bytearray | memoryview) -> None:
        """Add leaf hashes that are packed one after the other; much faster than one by one."""
        view, start, remaining = bytes(leaves), 0, len(leaves) // HASH_BYTES
        while remaining:
            # The largest complete subtree that begins here.
            block = 1 << (remaining.bit_length() - 1)
            if self.size:
                block = min(block, self.size & -self.size)
            end = start + block * HASH_BYTES
            self.push(subtree_root(view[start:end]), block)
            start, remaining = end, remaining - block

    def push(self, root: bytes, leaves: int) -> None:
        """Add a complete subtree.

        Args:
            root: Its root.
            leaves: Its number of leaves, a power of two that divides the size.
        """
        before = self.size // leaves
        self.size += leaves
        while before & 1:
            root = node_hash(self._roots.pop(), root)
            before >>= 1
        self._roots.append(root)

    def root(self) -> bytes:
        """Return the tree's root hash."""
        if not self._roots:
            return EMPTY_ROOT
        root = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            root = node_hash(left, root)
        return root

    def copy(self) -> Frontier:
        """Return another tree with the same leaves."""
        return Frontier(self.size, self._roots)

    def to_bytes(self) -> bytes:
        """Return size and hashes: 8 bytes big-endian, then the hashes."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self._roots)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """Return the tree that :meth:`to_bytes` wrote.

        Raises:
            FormatError: The length does not match the size.
        """
        size = int.from_bytes(data[:_SIZE_BYTES], "big")
        if len(data) != _SIZE_BYTES + HASH_BYTES * size.bit_count():
            message = "the state of the Merkle tree is malformed"
            raise FormatError(message)
        return cls(size, split_hashes(data[_SIZE_BYTES:]))


class InclusionPathBuilder:
    """Builds the inclusion path of one leaf while all leaves are appended, in O(log n) memory.

    Args:
        index: Number of the leaf, from 0.
        after: Tree of the leaves that precede the first one to be appended.

    Raises:
        FormatError: The leaf is one of those that precede.
    """

    __slots__ = ("_index", "_path", "_subtrees", "size")

    def __init__(self, index: int, *, after: Frontier | None = None) -> None:
        self.size = after.size if after is not None else 0
        if not self.size <= index:
            message = f"leaf {index} is one of the {self.size} leaves before the first one appended"
            raise FormatError(message)
        self._index = index
        self._path: list[bytes] = []
        # Each complete subtree as the number of its first leaf, and its root.
        self._subtrees = _placed(after) if after is not None else []

    def append(self, leaf: bytes) -> None:
        """Add the next leaf hash."""
        first, root, size = self.size, leaf, self.size
        self.size += 1
        while size & 1:
            left_first, left = self._subtrees.pop()
            self._keep_sibling(self._path, first, left_first, left, root)
            first, root = left_first, node_hash(left, root)
            size >>= 1
        self._subtrees.append((first, root))

    def path(self) -> list[bytes]:
        """Return the path in the tree of the leaves so far, from the leaf's sibling upwards.

        Raises:
            FormatError: The leaf was not appended yet.
        """
        if not 0 <= self._index < self.size:
            message = f"there is no leaf {self._index} in a tree of {self.size} leaves"
            raise FormatError(message)
        path = list(self._path)
        first, root = self._subtrees[-1]
        for left_first, left in reversed(self._subtrees[:-1]):
            self._keep_sibling(path, first, left_first, left, root)
            first, root = left_first, node_hash(left, root)
        return path

    def _keep_sibling(self, path: list[bytes], first: int, left_first: int, left: bytes, right: bytes) -> None:
        """Append the sibling to the path, if the leaf is below one of two subtrees that are joined."""
        if self._index >= first:
            # Below the right one, unless it was not appended yet.
            if self._index < self.size:
                path.append(left)
        elif self._index >= left_first:
            path.append(right)


def split_hashes(data: bytes) -> list[bytes]:
    """Return the hashes that are packed one after the other in ``data``."""
    return [bytes(data[start : start + HASH_BYTES]) for start in range(0, len(data), HASH_BYTES)]


def subtree_root(level: bytes) -> bytes:
    """Return the root of a complete subtree, of leaf hashes that are packed one after the other."""
    width = 2 * HASH_BYTES
    while len(level) > HASH_BYTES:
        level = b"".join(
            [_sha256(b"\x01" + level[start : start + width]).digest() for start in range(0, len(level), width)]
        )
    return level


def tree_root(leaves: Iterable[bytes]) -> bytes:
    """Return the root hash of a tree with these leaf hashes."""
    tree = Frontier()
    tree.extend(leaves)
    return tree.root()


def inclusion_path(leaves: Iterable[bytes], index: int) -> list[bytes]:
    """Return the inclusion path of a leaf (RFC 6962 section 2.1.1), from its sibling upwards.

    Raises:
        FormatError: There is no such leaf.
    """
    builder = InclusionPathBuilder(index)
    for leaf in leaves:
        builder.append(leaf)
    return builder.path()


class PathStep(NamedTuple):
    """One step from a leaf towards the root.

    Attributes:
        sibling: The hash that the path gives.
        is_left: Whether the sibling is on the left.
        node: Hash of the two together.
    """

    sibling: bytes
    is_left: bool
    node: bytes


def walk_path(leaf: bytes, *, index: int, size: int, path: Sequence[bytes]) -> Iterator[PathStep]:
    """Yield the steps from leaf number ``index`` to the root of a tree of ``size`` leaves (RFC 9162 section 2.1.3.2).

    Raises:
        TamperedError: There is no such leaf, or the path has the wrong length.
    """
    if not 0 <= index < size or len(path) > MAX_PATH:
        message = f"there is no leaf {index} in a tree of {size} leaves"
        raise TamperedError(message)
    node, last, computed = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise TamperedError(_not_in_tree(index, size))
        # A right child, or the last node of its level: its sibling is on the left.
        is_left = bool(node & 1) or node == last
        if is_left:
            computed = node_hash(sibling, computed)
            node, last = climb(node, last)
        else:
            computed = node_hash(computed, sibling)
        yield PathStep(sibling, is_left, computed)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise TamperedError(_not_in_tree(index, size))


def verify_inclusion(leaf: bytes, *, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf hash is number ``index`` in the tree of ``size`` leaves.

    Raises:
        TamperedError: The leaf is not at that place in the tree, or the path has the wrong length.
    """
    computed = leaf
    for step in walk_path(leaf, index=index, size=size, path=path):
        computed = step.node
    if computed != root:
        raise TamperedError(_not_in_tree(index, size))


def _not_in_tree(index: int, size: int) -> str:
    return f"leaf {index} is not in the tree of {size} leaves that was signed"


def _placed(tree: Frontier) -> list[tuple[int, bytes]]:
    """Return the complete subtrees of a tree, each as the number of its first leaf, and its root."""
    placed, first = [], 0
    for root, bit in zip(tree.roots, (bit for bit in range(MAX_PATH, -1, -1) if tree.size >> bit & 1), strict=True):
        placed.append((first, root))
        first += 1 << bit
    return placed


def climb(node: int, last: int) -> tuple[int, int]:
    """Return a node and the last one of its level, above the levels at which the node has no sibling."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last
