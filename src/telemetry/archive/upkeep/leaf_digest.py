"""Sums up which leaf hashes rows have, so that two sets of rows can be compared by what proves their events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa

from telemetry.archive.rows.columns import LEAF_BYTES, Kind

_MODULUS = 1 << 256
STREAM_COLUMNS = ("service", "producer", "environment", "kind", "sequence", "leaf", "value")


class LeafRun(NamedTuple):
    """Leaf hashes of consecutive events.

    Attributes:
        first: Sequence of the first one.
        leaves: The hashes, one after the other.
    """

    first: int
    leaves: bytes

    @property
    def end(self) -> int:
        """One more than the sequence of the last one."""
        return self.first + len(self.leaves) // LEAF_BYTES

    def leaf(self, sequence: int) -> bytes:
        """Return the hash of an event in the run."""
        start = (sequence - self.first) * LEAF_BYTES
        return self.leaves[start : start + LEAF_BYTES]


class KnownLeaves:
    """The leaves of one stream that the next rows may repeat: rows come in the order of their first sequence.

    Copies of one event follow each other, and a late copy can follow the run that contains it.
    """

    def __init__(self) -> None:
        self._runs: list[LeafRun] = []
        self._first = -1
        self._leaves: set[bytes] = set()

    def begin(self, first: int) -> None:
        """Go on to rows whose first sequence is this one."""
        if first != self._first:
            self._runs = [run for run in self._runs if run.end > first]
            self._first, self._leaves = first, set()

    def has(self, sequence: int, leaf: bytes) -> bool:
        """Return whether a leaf is known for a sequence."""
        if sequence == self._first and leaf in self._leaves:
            return True
        return any(run.first <= sequence < run.end and run.leaf(sequence) == leaf for run in self._runs)

    def add(self, run: LeafRun) -> None:
        """Remember leaves; a single one is that of the present row."""
        if len(run.leaves) == LEAF_BYTES and run.first == self._first:
            self._leaves.add(run.leaves)
        else:
            self._runs.append(run)


class LeafDigest:
    """Sum of the digests of each distinct stream, sequence and leaf, in events and in runs whose retention ended.

    Attributes:
        total: The sum, modulo 2**256.
        leaves: How many.
    """

    def __init__(self) -> None:
        self.total = 0
        self.leaves = 0
        self._stream: tuple[str | None, str | None] = (None, None)
        self._known: dict[str | None, KnownLeaves] = {}

    def add(self, rows: pa.Table) -> None:
        """Add rows, which come in the order of the table."""
        for service, producer, environment, first, leaves in _runs(rows):
            if (service, producer) != self._stream:
                self._stream, self._known = (service, producer), {}
            known = self._known.setdefault(environment, KnownLeaves())
            known.begin(first)
            run = LeafRun(first, leaves)
            name = repr((service, producer, environment)).encode("utf-8", "surrogatepass")
            for sequence in range(first, run.end):
                if not known.has(sequence, run.leaf(sequence)):
                    self._add(name, sequence, run.leaf(sequence))
            known.add(run)

    def _add(self, name: bytes, sequence: int, leaf: bytes) -> None:
        digest = hashlib.sha256(b"%b\0%d\0%b" % (name, sequence, leaf)).digest()
        self.total = (self.total + int.from_bytes(digest, "big")) % _MODULUS
        self.leaves += 1


def _runs(rows: pa.Table) -> Iterator[tuple[str | None, str | None, str | None, int, bytes]]:
    columns = [rows.column(name).to_pylist() for name in STREAM_COLUMNS]
    for service, producer, environment, kind, sequence, leaf, value in zip(*columns, strict=True):
        if kind == Kind.EVENT and leaf is not None and sequence is not None:
            yield service, producer, environment, sequence, leaf
        elif kind == Kind.ENDED and value is not None:
            yield service, producer, environment, sequence, value
