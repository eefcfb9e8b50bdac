"""The Merkle tree over a producer's records (RFC 6962 section 2.1)."""

from __future__ import annotations

import hashlib

from telemetry.exceptions import FormatError

HASH_BYTES = 32


def leaf_hash(value: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256(0x00 || value)."""
    return hashlib.sha256(b"\x00" + value).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """An append-only tree, kept as the roots of its complete subtrees: O(log n) hashes.

    Args:
        size: Number of leaves.
        roots: Of the complete subtrees, largest first; one for each bit that is set in ``size``.
    """

    __slots__ = ("_roots", "size")

    def __init__(self, size: int = 0, roots: tuple[bytes, ...] = ()) -> None:
        self.size = size
        self._roots = list(roots)

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash; amortised one more hash."""
        size, roots = self.size, self._roots
        while size & 1:
            leaf = node_hash(roots.pop(), leaf)
            size >>= 1
        roots.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the tree's root hash; that of an empty tree is SHA-256 of nothing."""
        if not self._roots:
            return hashlib.sha256().digest()
        root = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            root = node_hash(left, root)
        return root

    def to_bytes(self) -> bytes:
        """Return size and hashes: 8 bytes big-endian, then the hashes."""
        return self.size.to_bytes(8, "big") + b"".join(self._roots)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """Return the tree that :meth:`to_bytes` wrote.

        Raises:
            FormatError: Length and size do not fit.
        """
        size = int.from_bytes(data[:8], "big")
        roots = [data[at : at + HASH_BYTES] for at in range(8, len(data), HASH_BYTES)]
        if len(data) < 8 or len(roots) != size.bit_count() or len(data) != 8 + HASH_BYTES * len(roots):  # noqa: PLR2004
            message = "the state of the Merkle tree is malformed"
            raise FormatError(message)
        return cls(size, tuple(roots))
