"""Parked intervals are found by sequence, and proven when their last record arrives."""

from __future__ import annotations

import hashlib

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import Frontier
from telemetry.reader.entry import Place
from telemetry.reader.verify.tree.copies import DifferingCopy
from telemetry.reader.verify.tree.digests import DigestBudget, ProvenDigests
from telemetry.reader.verify.tree.held_leaves import HeldLeaves
from telemetry.reader.verify.tree.leaf_window import LeafBudget, LeafWindow
from telemetry.reader.verify.tree.parked import ParkedInterval, ParkedIntervals
from telemetry.reader.verify.tree.proven import ProvenRecords, RecordCounts

PLACE = Place("audit-events", 0, 7)


def leaf(sequence: int) -> bytes:
    return hashlib.sha256(b"%d" % sequence).digest()


def tree(size: int) -> Frontier:
    frontier = Frontier()
    frontier.extend(map(leaf, range(size)))
    return frontier


def checkpoint(size: int) -> Checkpoint:
    return Checkpoint.of(tree(size), source="/production/payments", producer="p", time="2026-01-02T03:04:05.000000Z")


def interval(start: int, end: int, *, absent: int) -> ParkedInterval:
    return ParkedInterval(start, end, checkpoint(end), absent, start, tree(start))


class Parts:
    """Parked intervals and their neighbours."""

    def __init__(self, *held: int) -> None:
        self.counts = RecordCounts()
        self.held = HeldLeaves(LeafWindow(LeafBudget(1_000)))
        self.proven = ProvenRecords(ProvenDigests(DigestBudget(1_000)), self.counts)
        self.parked = ParkedIntervals(self.held, self.proven)
        for sequence in held:
            self.held.put(sequence, leaf(sequence))


def test_interval_is_found_by_sequence() -> None:
    parked = Parts().parked
    later, earlier = interval(20, 30, absent=1), interval(0, 10, absent=1)
    parked.add(later)
    parked.add(earlier)
    assert list(parked) == [earlier, later]
    assert [parked.at(sequence) for sequence in (0, 9, 10, 19, 20, 29, 30)] == [
        *(earlier, earlier, None, None),
        *(later, later, None),
    ]


def test_last_record_proves_its_interval() -> None:
    parts = Parts(10, 12)
    parts.parked.add(interval(10, 14, absent=2))
    for sequence in (11, 13):
        assert parts.counts.proven == 0
        parts.held.put(sequence, leaf(sequence))
        parts.parked.note_arrival(sequence)
    assert parts.counts.proven == 4
    assert list(parts.parked) == []
    assert parts.held.window.count == 0
    assert parts.proven.digest(12) == leaf(12)[:8]


def test_wrong_root_refutes_the_interval() -> None:
    parts = Parts(10, 11)
    parts.parked.add(interval(10, 13, absent=1))
    parts.held.put(12, leaf(99))
    parts.parked.note_arrival(12)
    (refuted,) = parts.parked
    assert refuted.refuted
    assert parts.counts.proven == 0
    assert parts.held.window.count == 3


def test_interval_without_room_is_never_proven() -> None:
    parts = Parts(10, 11)
    parked = interval(10, 13, absent=1)
    parked.tree = None
    parts.parked.add(parked)
    parts.parked.note_arrival(12)
    assert [(each.absent, each.refuted) for each in parts.parked] == [(0, False)]


def test_copy_that_leads_to_the_root() -> None:
    parts = Parts(10, 12)
    parts.held.put(11, leaf(99))
    parts.proven.copies.add(DifferingCopy(11, leaf(11), PLACE))
    parts.proven.copies.add(DifferingCopy(11, leaf(77), PLACE))
    parts.parked.add(interval(10, 13, absent=0))
    parts.parked.try_copies()
    assert parts.counts.proven == 3
    assert sorted(copy.leaf for copy in parts.proven.copies.altered) == sorted((leaf(99), leaf(77)))


def test_split_leaves_the_half_with_the_gap() -> None:
    parts = Parts(*range(10, 13), *range(14, 20))
    parts.parked.add(interval(10, 20, absent=1))
    parts.parked.split(checkpoint(15))
    assert [(each.start, each.end, each.absent) for each in parts.parked] == [(10, 15, 1)]
    assert parts.counts.proven == 5


def test_restored_intervals_are_not_shared() -> None:
    saved = interval(10, 13, absent=3)
    parts = Parts()
    parts.parked.restore([saved])
    parts.parked.note_arrival(10)
    assert saved.absent == 3
    assert [each.absent for each in parts.parked] == [2]
