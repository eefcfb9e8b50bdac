"""Keeps what trusted keys signed for one producer: the root of each size, and the checkpoints ahead of the records."""

from __future__ import annotations

from bisect import insort

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.leaves import IntervalLeaves
from telemetry.format.proof.merkle import EMPTY_ROOT


class SignedTrees:
    """The signed trees of one producer.

    Attributes:
        size: Largest size that was signed; 0 before the first.
        roots: Root hash of each signed size.
        pending: Checkpoints that the records have not reached, in order of size.
        passed: The checkpoint at which the current stretch of records begins; None before the first.
    """

    __slots__ = ("passed", "pending", "roots", "size")

    def __init__(self) -> None:
        self.size = 0
        # RFC 6962 gives the tree without leaves its root; nobody has to sign it.
        self.roots: dict[int, bytes] = {0: EMPTY_ROOT}
        self.pending: list[Checkpoint] = []
        self.passed: Checkpoint | None = None

    def add_root(self, checkpoint: Checkpoint) -> bool:
        """Remember the root of a size; return False if another root was signed for it."""
        self.size = max(self.size, checkpoint.size)
        return self.roots.setdefault(checkpoint.size, checkpoint.root) == checkpoint.root

    def add_pending(self, checkpoint: Checkpoint) -> bool:
        """Queue a checkpoint ahead of the records; return False if one of its size waits already."""
        if any(other.size == checkpoint.size for other in self.pending):
            return False
        insort(self.pending, checkpoint, key=_size)
        return True

    def take_resumable(self) -> Checkpoint | None:
        """Remove and return the first pending checkpoint with a frontier, and drop those before it.

        From a frontier the tree can be continued without the records in front of it.
        """
        for number, checkpoint in enumerate(self.pending):
            if checkpoint.frontier is not None:
                del self.pending[: number + 1]
                return checkpoint
        return None

    def restore(self, roots: dict[int, bytes], pending: list[Checkpoint], passed: Checkpoint | None) -> None:
        """Continue with the signed trees of an earlier verification."""
        self.roots.update(roots)
        self.size = max(self.roots)
        self.pending = list(pending)
        self.passed = passed


def checkpoint_before(checkpoint: Checkpoint, leaves: IntervalLeaves) -> Checkpoint:
    """Return the checkpoint at the start of an interval, as far as the one at its end signs it."""
    return Checkpoint.of(leaves.tree(), source=checkpoint.source, producer=checkpoint.producer, time=checkpoint.time)


def _size(checkpoint: Checkpoint) -> int:
    return checkpoint.size
