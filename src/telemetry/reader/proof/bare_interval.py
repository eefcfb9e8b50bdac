"""Proves intervals whose leaf hashes did not come with their checkpoint: by the records themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, product

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import HASH_BYTES, Frontier
from telemetry.reader.verify.tree.leaf_window import LeafWindow

MAX_RIVALS = 16
"""Further records of one producer that claim places of others, while nothing says which of them was signed."""
_MAX_HASHED = 1 << 22
"""Leaf hashes that are hashed to find out which of several records was signed."""


@dataclass(slots=True)
class BareInterval:
    """An interval between two signed trees.

    Attributes:
        before: The tree at its start.
        checkpoint: What was signed at its end.
        absent: How many of its records were not read yet.
    """

    before: Frontier
    checkpoint: Checkpoint
    absent: int

    @property
    def start(self) -> int:
        """Sequence of the first record."""
        return self.before.size

    @property
    def end(self) -> int:
        """One more than the sequence of the last record."""
        return self.checkpoint.size

    @property
    def signed_at(self) -> float:
        """Time of the checkpoint, in seconds since the epoch."""
        return signed_at_of(self.checkpoint)

    def prove(self, window: LeafWindow, rivals: dict[int, list[bytes]]) -> bytes | None:
        """Return the leaf hashes that were signed, if all records were read and lead to the root; otherwise None.

        Args:
            window: Leaf hashes of the records that were read first.
            rivals: Leaf hashes of others that claim the same sequences.
        """
        if self.absent:
            return None
        leaves = window.read(self.start, self.end)
        most = max(_MAX_HASHED // (self.end - self.start), 1)
        return next((each for each in islice(self._variants(leaves, rivals), most) if self._leads_to_root(each)), None)

    def _variants(self, leaves: bytes, rivals: dict[int, list[bytes]]) -> Iterator[bytes]:
        """Yield the leaf hashes with every choice among the records that claim the same sequence."""
        numbers = [number for number in rivals if self.start <= number < self.end]
        positions = [(number - self.start) * HASH_BYTES for number in numbers]
        choices = (
            (leaves[at : at + HASH_BYTES], *rivals[number]) for number, at in zip(numbers, positions, strict=True)
        )
        for choice in product(*choices):
            variant = bytearray(leaves)
            for at, leaf in zip(positions, choice, strict=True):
                variant[at : at + HASH_BYTES] = leaf
            yield bytes(variant)

    def _leads_to_root(self, leaves: bytes) -> bool:
        tree = self.before.copy()
        tree.extend_packed(leaves)
        return tree.root() == self.checkpoint.root


def signed_at_of(checkpoint: Checkpoint) -> float:
    """Return when a checkpoint was signed, as it says itself, in seconds since the epoch."""
    # The format has checked that it is a time.
    return datetime.fromisoformat(checkpoint.time).timestamp()
