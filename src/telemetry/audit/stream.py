"""A process's stream of records: its name, its numbers, and the tree over them."""

from __future__ import annotations

from typing import NamedTuple

import uuid_utils

from telemetry.format.merkle import Frontier, leaf_hash


class TreeState(NamedTuple):
    """The tree over the first ``size`` records of a producer.

    Attributes:
        producer: The stream.
        size: Number of records.
        frontier: The tree, as O(log n) hashes.
    """

    producer: str
    size: int
    frontier: bytes


class ProducerStream:
    """Numbers the records of one process and, where checkpoints are signed, hashes them (RFC 6962).

    It changes under the intake's lock only.

    Args:
        hashed: Whether a tree is kept.
        producer: UUIDv7; made anew by default.
    """

    def __init__(self, *, hashed: bool, producer: str | None = None) -> None:
        self.producer = producer or str(uuid_utils.uuid7())
        self.next_sequence = 0
        self._frontier = Frontier() if hashed else None

    def advance(self, value: bytes) -> None:
        """Take the number, and hash the record that has it."""
        self.next_sequence += 1
        if self._frontier is not None:
            self._frontier.append(leaf_hash(value))

    def state(self) -> TreeState | None:
        """Return the tree as it stands, or None where none is kept."""
        if self._frontier is None:
            return None
        return TreeState(self.producer, self.next_sequence, self._frontier.to_bytes())
