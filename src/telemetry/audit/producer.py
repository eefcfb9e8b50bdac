"""A process's stream of records: its name, its numbers, and the tree over them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

import uuid_utils

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


class ProducerStream:
    """Numbers the records of one process and, where checkpoints are signed, hashes them (RFC 6962).

    Numbers are given under the intake's lock. Records are hashed once a batch, by the thread that takes them from the
    intake: hashing in the caller of ``log()`` would make every caller wait for it.

    Args:
        hashed: Whether a tree is kept.
        producer: UUIDv7; made anew by default.

    Attributes:
        producer: The stream's name.
        next_sequence: The number of the next record; changes under the intake's lock only.
    """

    def __init__(self, *, hashed: bool, producer: str | None = None) -> None:
        self.producer = producer or str(uuid_utils.uuid7())
        self.next_sequence = 0
        self._lock = threading.Lock()
        self._frontier = Frontier() if hashed else None

    def absorb(self, records: Sequence[SealedRecord] = ()) -> TreeState | None:
        """Hash records, in the order of their numbers; what is hashed already, or of another stream, is passed over.

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
