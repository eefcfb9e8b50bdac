"""Sums up what the checkpoints of one producer say that trusted keys signed."""

from __future__ import annotations

from collections.abc import Iterable

from telemetry.format.proof.checkpoint import Checkpoint


class TrustedCheckpoints:
    """The checkpoints of one producer that trusted keys signed.

    Attributes:
        keys: Labels of the keys.
        count: How many different checkpoints they signed.
        latest: The largest checkpoint; None before the first.
        closing: The checkpoint that ends the stream; None while there is none.
    """

    __slots__ = ("closing", "count", "keys", "latest")

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.count = 0
        self.latest: Checkpoint | None = None
        self.closing: Checkpoint | None = None

    @property
    def size(self) -> int:
        """Size of the largest tree that was signed; 0 before the first."""
        return self.latest.size if self.latest is not None else 0

    def add(self, checkpoint: Checkpoint, keys: Iterable[str], *, is_new: bool) -> None:
        """Add a checkpoint.

        Args:
            checkpoint: What was signed.
            keys: Labels of the keys.
            is_new: It is not a copy of a checkpoint that was counted.
        """
        self.keys.update(keys)
        self.count += is_new
        if checkpoint.size >= self.size:
            self.latest = checkpoint
        if checkpoint.is_closing and (self.closing is None or checkpoint.size >= self.closing.size):
            self.closing = checkpoint

    def restore(
        self, keys: Iterable[str], *, count: int, latest: Checkpoint | None, closing: Checkpoint | None
    ) -> None:
        """Continue with what an earlier verification counted."""
        self.keys.update(keys)
        self.count = count
        self.latest, self.closing = latest, closing
