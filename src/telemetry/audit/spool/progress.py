"""Defines what each commit of a segment says about the segment: how far it is settled, and the tree over its records."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from telemetry.audit.producer import TreeState
from telemetry.format.proof.merkle import HASH_BYTES


class Progress(msgspec.Struct, array_like=True):
    """How far a segment is settled, and the tree over all that was committed to it.

    Attributes:
        commit: Number of the commit that stored it; the highest one counts.
        settled_below: The lowest position that is not settled.
        tree_size: How many records the tree covers; None where no tree is kept.
        frontier: The tree.
    """

    commit: int = 0
    settled_below: int = 0
    tree_size: int | None = None
    frontier: bytes = b""


class ChainedProgress(Progress, array_like=True):
    """Progress in a sealed segment: also what the next checkpoint says beside the tree, so that a recovery can say it.

    Attributes:
        oldest: Number of the oldest row that is still in the file.
        signed_size: Size of the last checkpoint; None where no tree is kept.
        signed_frontier: The tree at that size.
        signed_at: Time of that checkpoint in microseconds since the epoch.
        keys: Data keys since that checkpoint: commitment, first and last record of each.
        leaves: Leaf hashes that are first stored with this commit, or that an emptied table had: first record and hashes.
    """

    oldest: int = 0
    signed_size: int | None = None
    signed_frontier: bytes = b""
    signed_at: int = 0
    keys: list[tuple[str, int, int]] = []
    leaves: list[tuple[int, bytes]] = []


class RelayedProgress(ChainedProgress, array_like=True):
    """Progress of a process that relays; without relayed records it is written as :class:`ChainedProgress`.

    Attributes:
        relayed: Relayed records since the last checkpoint: first and last one of each run.
    """

    relayed: list[tuple[int, int]] = []


class Step:
    """One commit: what it has to say, given what the one before said.

    Args:
        before: Progress at the commit before.
        settled_below: The lowest position that is not settled.
        tree: The tree after the commit; None where it is as before.
        leaf_end: Up to which record the leaf hashes are in the file.
        mark: From which record on the rows of the active table have leaf hashes.
    """

    def __init__(
        self, before: Progress, settled_below: int, tree: TreeState | None, *, leaf_end: int, mark: int
    ) -> None:
        self._before = before
        self._settled_below = settled_below
        self._tree = tree
        self._leaf_end = leaf_end
        self._mark = mark

    def may_empty(self, *, has_records: bool) -> bool:
        """Return whether the inactive table can go without leaf hashes that no checkpoint has yet.

        Args:
            has_records: Whether the commit has rows of its own, into which such hashes could be taken over.
        """
        tree = self._tree
        if not isinstance(self._before, ChainedProgress) or (tree is None and self._before.tree_size is None):
            return True
        if not has_records or tree is None or tree.signed_size is None:
            return False
        return tree.leaves_from <= tree.signed_size or tree.signed_size >= self._mark

    def progress(self, *, oldest: int | None) -> Progress:
        """Return the progress that is stored with the commit.

        Args:
            oldest: Number of the oldest row that stays, if the commit empties a table.
        """
        before, tree, commit = self._before, self._tree, self._before.commit + 1
        if not isinstance(before, ChainedProgress):
            size, frontier = (tree.size, tree.frontier) if tree is not None else (before.tree_size, before.frontier)
            return Progress(commit, self._settled_below, size, frontier)
        first_row = before.oldest if oldest is None else oldest
        if tree is None:
            return msgspec.structs.replace(
                before, commit=commit, settled_below=self._settled_below, oldest=first_row, leaves=[]
            )
        fields = (
            commit,
            self._settled_below,
            tree.size,
            tree.frontier,
            first_row,
            tree.signed_size,
            tree.signed_frontier,
            tree.signed_at,
            [(span.kid, span.first, span.last) for span in tree.keys],
            list(self._leaves(tree, empties=oldest is not None)),
        )
        return RelayedProgress(*fields, [*tree.relayed]) if tree.relayed else ChainedProgress(*fields)

    def _leaves(self, tree: TreeState, *, empties: bool) -> Iterator[tuple[int, bytes]]:
        first, leaves = tree.leaves_from, tree.leaves
        if empties and first < self._mark:
            # Those of the rows that go. The rows that stay have theirs.
            yield first, leaves[: (self._mark - first) * HASH_BYTES]
        fresh = max(self._leaf_end, first)
        if fresh < tree.size and leaves:
            yield fresh, leaves[(fresh - first) * HASH_BYTES :]
