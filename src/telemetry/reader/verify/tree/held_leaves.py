"""Holds the leaf hashes of records that came out of sequence, and remembers those that found no room."""

from __future__ import annotations

from collections.abc import Iterator

from telemetry.format.proof.merkle import HASH_BYTES
from telemetry.reader.seen_sequences import UnheldSequences
from telemetry.reader.verify.tree.leaf_window import LeafWindow


class HeldLeaves:
    """Every record that was seen and is not folded into a tree: with its leaf hash, or without for lack of room.

    Args:
        window: Holds the leaf hashes.

    Attributes:
        window: The leaf hashes.
        unheld: Sequences that were seen when the window had no room.
        highest: Highest sequence of a record that came out of sequence; -1 for none.
    """

    __slots__ = ("highest", "unheld", "window")

    def __init__(self, window: LeafWindow) -> None:
        self.window = window
        self.unheld = UnheldSequences()
        self.highest = -1

    def put(self, sequence: int, leaf: bytes) -> bool:
        """Hold the leaf hash of a record that came out of sequence; return False if there is no room for it."""
        self.highest = max(self.highest, sequence)
        return self.window.put(sequence, leaf)

    def put_run(self, start: int, leaves: bytes | bytearray) -> bool:
        """Hold leaf hashes of records in sequence; return whether there was room for all of them."""
        end = start + len(leaves) // HASH_BYTES
        held_to = start + self.window.put_run(start, leaves)
        for sequence in range(held_to, end):
            self.unheld.add(sequence)
        return held_to == end

    def gaps(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield first and last of the sequences in ``[start, end)`` that were never seen."""
        for first, last in self.window.absent(start, end):
            yield from self.unheld.absent(first, last + 1)
