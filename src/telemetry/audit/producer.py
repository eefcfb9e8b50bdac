"""Keeps the Merkle tree over the records of one producer."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

from telemetry.audit.record import SealedRecord
from telemetry.audit.values import write_out
from telemetry.format.proof.merkle import Frontier, leaf_hash


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


class ProducerTree:
    """Hashes the records of one producer (RFC 6962), where checkpoints are signed.

    Records are hashed once a batch by the thread that takes them from the intake: the spool thread, or the sender where
    there is no spool. Hashing them in ``log()`` would make every caller wait for it.

    Args:
        producer: UUIDv7 of the stream.
        hashed: Whether a tree is kept.
    """

    def __init__(self, producer: str, *, hashed: bool) -> None:
        self.producer = producer
        # The spool thread hashes while the sender reads the state; a shutdown may hash what a stuck disk left.
        self._lock = threading.Lock()
        self._frontier = Frontier() if hashed else None

    def absorb(self, records: Sequence[SealedRecord]) -> TreeState | None:
        """Hash records in the order of their numbers; skip those that are hashed already or of another producer.

        Returns:
            The tree over all that was absorbed, or None where none is kept.
        """
        frontier = self._frontier
        if frontier is None:
            return None
        write_out(records)
        with self._lock:
            for record in records:
                if record.sequence == frontier.size and record.producer == self.producer:
                    frontier.append(leaf_hash(record.value))
            return TreeState(self.producer, frontier.size, frontier.to_bytes())

    def state(self) -> TreeState | None:
        """Return the tree over all that was absorbed, or None where none is kept."""
        return self.absorb(())
