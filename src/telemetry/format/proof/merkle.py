"""The Merkle tree over a producer's records (RFC 6962 section 2.1), its proofs (RFC 9162 section 2.1.3 and 2.1.4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

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
        roots: Of the complete subtrees, largest first; one for each bit that is set in ``size``.

    Raises:
        FormatError: The number of roots does not fit the size.
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
        while size & 1:
            leaf = _sha256(b"\x01" + roots.pop() + leaf).digest()
            size >>= 1
        roots.append(leaf)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes."""
        for leaf in leaves:
            self.append(leaf)

    def extend_packed(self, leaves: bytes | bytearray | memoryview) -> None:
        """Add leaf hashes that stand one after the other; much faster than one by one."""
        view, at, left = bytes(leaves), 0, len(leaves) // HASH_BYTES
        while left:
            # The largest complete subtree that begins here.
            block = 1 << (left.bit_length() - 1)
            if self.size:
                block = min(block, self.size & -self.size)
            end = at + block * HASH_BYTES
            self._push(_subtree_root(view[at:end]), block)
            at, left = end, left - block

    def _push(self, root: bytes, leaves: int) -> None:
        """Add a complete subtree; the size is a multiple of its number of leaves."""
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
        """Return a tree of its own with the same leaves."""
        return Frontier(self.size, self._roots)

    def to_bytes(self) -> bytes:
        """Return size and hashes: 8 bytes big-endian, then the hashes."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self._roots)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """Return the tree that :meth:`to_bytes` wrote.

        Raises:
            FormatError: Length and size do not fit.
        """
        size = int.from_bytes(data[:_SIZE_BYTES], "big")
        if len(data) != _SIZE_BYTES + HASH_BYTES * size.bit_count():
            message = "the state of the Merkle tree is malformed"
            raise FormatError(message)
        return cls(size, split_hashes(data[_SIZE_BYTES:]))


class InclusionPathBuilder:
    """Finds the path of one leaf while all leaves go by, in O(log n) memory.

    Args:
        index: Number of the leaf, from 0.
        after: Tree of the leaves in front; the first leaf that is appended comes behind them.

    Raises:
        FormatError: The leaf is in the tree in front.
    """

    __slots__ = ("_index", "_path", "_subtrees", "size")

    def __init__(self, index: int, *, after: Frontier | None = None) -> None:
        self.size = after.size if after is not None else 0
        if not self.size <= index:
            message = f"leaf {index} is one of the {self.size} leaves in front"
            raise FormatError(message)
        self._index = index
        self._path: list[bytes] = []
        self._subtrees = _placed(after) if after is not None else []

    def append(self, leaf: bytes) -> None:
        """Add the next leaf hash."""
        first, root, size = self.size, leaf, self.size
        self.size += 1
        while size & 1:
            left_first, left = self._subtrees.pop()
            self._note(self._path, first, left_first, left, root)
            first, root = left_first, node_hash(left, root)
            size >>= 1
        self._subtrees.append((first, root))

    def path(self) -> list[bytes]:
        """Return the path in the tree of the leaves so far, from the leaf's sibling upwards.

        Raises:
            FormatError: The leaf has not been appended.
        """
        if not 0 <= self._index < self.size:
            message = f"there is no leaf {self._index} in a tree of {self.size} leaves"
            raise FormatError(message)
        path = list(self._path)
        first, root = self._subtrees[-1]
        for left_first, left in reversed(self._subtrees[:-1]):
            self._note(path, first, left_first, left, root)
            first, root = left_first, node_hash(left, root)
        return path

    def _note(self, path: list[bytes], first: int, left_first: int, left: bytes, right: bytes) -> None:
        """Keep the sibling when the leaf is below one of two subtrees that are joined."""
        if self._index >= first:
            # Below the right one, unless it is still to come.
            if self._index < self.size:
                path.append(left)
        elif self._index >= left_first:
            path.append(right)


def split_hashes(data: bytes) -> list[bytes]:
    """Return the hashes that stand one after the other in ``data``."""
    return [bytes(data[at : at + HASH_BYTES]) for at in range(0, len(data), HASH_BYTES)]


def _subtree_root(level: bytes) -> bytes:
    """Return the root of a complete subtree, level by level."""
    width = 2 * HASH_BYTES
    while len(level) > HASH_BYTES:
        level = b"".join([_sha256(b"\x01" + level[at : at + width]).digest() for at in range(0, len(level), width)])
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


def verify_inclusion(leaf: bytes, *, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf hash is number ``index`` in the tree of ``size`` leaves (RFC 9162 section 2.1.3.2).

    Raises:
        TamperedError: It is not, or the path is not one.
    """
    if not 0 <= index < size or len(path) > MAX_PATH:
        message = f"there is no leaf {index} in a tree of {size} leaves"
        raise TamperedError(message)
    at, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            break
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            at, last = _climb(at, last)
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    else:
        if last == 0 and found == root:
            return
    message = f"leaf {index} is not in the tree of {size} leaves that was signed"
    raise TamperedError(message)


def consistency_path(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the proof that the tree of all leaves extends that of the first ``old_size`` (RFC 6962 section 2.1.2).

    Raises:
        FormatError: There are fewer leaves than ``old_size``.
    """
    if not 0 <= old_size <= len(leaves):
        message = f"a tree of {len(leaves)} leaves does not extend one of {old_size}"
        raise FormatError(message)
    if old_size in (0, len(leaves)):
        return []
    return _subproof(leaves, old_size, whole=True)


def verify_consistency(
    *, old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that a tree extends an older one (RFC 9162 section 2.1.4.2).

    Raises:
        TamperedError: The older tree was rewritten, or the path is not a proof.
    """
    if _is_trivial(old_size, new_size):
        fits = not path and (old_root == EMPTY_ROOT if old_size == 0 else old_root == new_root)
    else:
        fits = 0 < old_size < new_size and _rebuild(old_size, new_size, path, old_root) == (old_root, new_root)
    if not fits:
        message = f"the tree of {new_size} leaves does not extend the one of {old_size}: the past was rewritten"
        raise TamperedError(message)


def _is_trivial(old_size: int, new_size: int) -> bool:
    return 0 <= old_size <= new_size and old_size in (0, new_size)


def _rebuild(old_size: int, new_size: int, path: Sequence[bytes], old_root: bytes) -> tuple[bytes, bytes] | None:
    """Compute both roots from the proof; None when its length does not fit."""
    hashes = list(path) if old_size & (old_size - 1) else [old_root, *path]
    if not hashes or len(hashes) > MAX_PATH + 1:
        return None
    at, last = old_size - 1, new_size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = hashes[0]
    for node in hashes[1:]:
        if last == 0:
            return None
        if at & 1 or at == last:
            old, new = node_hash(node, old), node_hash(node, new)
            at, last = _climb(at, last)
        else:
            new = node_hash(new, node)
        at, last = at >> 1, last >> 1
    return (old, new) if last == 0 else None


def _placed(tree: Frontier) -> list[tuple[int, bytes]]:
    """Return the complete subtrees of a tree as first leaf and root."""
    placed, first = [], 0
    for root, bit in zip(tree.roots, (bit for bit in range(MAX_PATH, -1, -1) if tree.size >> bit & 1), strict=True):
        placed.append((first, root))
        first += 1 << bit
    return placed


def _climb(at: int, last: int) -> tuple[int, int]:
    """Go up past the levels at which the node has no sibling."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _subproof(leaves: Sequence[bytes], old_size: int, *, whole: bool) -> list[bytes]:
    if old_size == len(leaves):
        return [] if whole else [tree_root(leaves)]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    if old_size <= split:
        return [*_subproof(leaves[:split], old_size, whole=whole), tree_root(leaves[split:])]
    return [*_subproof(leaves[split:], old_size - split, whole=False), tree_root(leaves[:split])]
