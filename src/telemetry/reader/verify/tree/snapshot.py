"""Holds everything that a stream's tree needs to continue in a later verification."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import Frontier
from telemetry.reader.verify.tree.copies import DifferingCopy
from telemetry.reader.verify.tree.parked import ParkedInterval
from telemetry.reader.verify.tree.proven import RecordCounts
from telemetry.reader.verify.tree.signed_leaves import SignedInterval


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSnapshot:
    """Everything that a stream's tree needs to continue later; it shares nothing with the tree.

    Attributes:
        folded: The tree up to the records of ``tail``.
        segment_start: Sequence at which the stretch begins that the next checkpoint proves.
        next_sequence: First sequence after ``tail``.
        last: Last record that came in sequence; -1 for none.
        highest: Highest record that came out of sequence; -1 for none.
        tail: Leaf hashes of the records between ``folded`` and ``next_sequence``.
        runs: Leaf hashes of records out of sequence, by first sequence.
        unheld: Ranges of sequences that were seen without room for their leaf hashes.
        parked: Intervals that are not proven, in order.
        signed: Intervals whose leaves are signed and of which a record is still absent or altered, in order.
        pending: Checkpoints ahead of the records, in order.
        roots: Root hash of each signed size.
        passed: Checkpoint at ``segment_start``.
        counts: Records by what became of them.
        conflicts: Copies that no tree has judged yet.
        altered: Copies that a tree has shown to be altered.
    """

    folded: Frontier
    segment_start: int
    next_sequence: int
    last: int
    highest: int
    tail: bytes
    runs: list[tuple[int, bytes]]
    unheld: list[tuple[int, int]]
    parked: list[ParkedInterval]
    signed: list[SignedInterval]
    pending: list[Checkpoint]
    roots: dict[int, bytes]
    passed: Checkpoint | None
    counts: RecordCounts
    conflicts: list[DifferingCopy]
    altered: list[DifferingCopy]
