"""Proves that one tree extends another (RFC 6962 section 2.1.2; RFC 9162 section 2.1.4).

Checkpoints, leaf hashes and these proofs are those of a transparency log, so any tool for such logs can be used with a
trail. This library's own verifier does not need consistency proofs: it has the records, and computes the trees.
"""

from __future__ import annotations

from collections.abc import Sequence

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof.merkle import EMPTY_ROOT, MAX_PATH, climb, node_hash, tree_root


def consistency_path(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the proof that the tree of all leaves extends that of the first ``old_size``.

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
    """Check that a tree extends an older one.

    Raises:
        TamperedError: The older tree was rewritten, or the path is not a proof.
    """
    if _is_trivial(old_size, new_size):
        extends = not path and (old_root == EMPTY_ROOT if old_size == 0 else old_root == new_root)
    else:
        extends = 0 < old_size < new_size and _rebuild(old_size, new_size, path, old_root) == (old_root, new_root)
    if not extends:
        message = f"the tree of {new_size} leaves does not extend the one of {old_size}: the past was rewritten"
        raise TamperedError(message)


def _is_trivial(old_size: int, new_size: int) -> bool:
    return 0 <= old_size <= new_size and old_size in (0, new_size)


def _rebuild(old_size: int, new_size: int, path: Sequence[bytes], old_root: bytes) -> tuple[bytes, bytes] | None:
    """Compute both roots from the proof; None if its length does not match the sizes."""
    # The root of a complete old tree is a node of the new one, so the proof leaves it out.
    hashes = list(path) if old_size & (old_size - 1) else [old_root, *path]
    if not hashes or len(hashes) > MAX_PATH + 1:
        return None
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return None
        # A sibling on the left belongs to both trees, one on the right to the new tree alone.
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            node, last = climb(node, last)
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    return (old, new) if last == 0 else None


def _subproof(leaves: Sequence[bytes], old_size: int, *, whole: bool) -> list[bytes]:
    """Return SUBPROOF of RFC 6962 section 2.1.2.

    Args:
        leaves: Leaves of a subtree.
        old_size: How many of them are in the old tree.
        whole: Whether the old tree is a complete subtree here whose root the verifier knows.
    """
    if old_size == len(leaves):
        return [] if whole else [tree_root(leaves)]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    if old_size <= split:
        return [*_subproof(leaves[:split], old_size, whole=whole), tree_root(leaves[split:])]
    return [*_subproof(leaves[split:], old_size - split, whole=False), tree_root(leaves[:split])]
