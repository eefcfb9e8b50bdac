"""One producer's leaf hashes are folded into its signed trees, in any order, across gaps, and from a snapshot."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import Frontier
from telemetry.reader.entry import Place
from telemetry.reader.verify.tree import folding_tree
from telemetry.reader.verify.tree.digests import DigestBudget, ProvenDigests
from telemetry.reader.verify.tree.leaf_window import LeafBudget, LeafWindow
from telemetry.reader.verify.tree.stream_tree import StreamTree

PLACE = Place("audit-events", 0, 7)


def leaf(sequence: int) -> bytes:
    return hashlib.sha256(b"%d" % sequence).digest()


def checkpoint(size: int, *, with_frontier: bool = True) -> Checkpoint:
    tree = Frontier()
    tree.extend(map(leaf, range(size)))
    signed = Checkpoint.of(tree, source="/production/payments", producer="p", time="2026-01-02T03:04:05.000000Z")
    return signed if with_frontier else dataclasses.replace(signed, frontier=None)


def new_tree() -> StreamTree:
    return StreamTree(LeafWindow(LeafBudget(10_000)), ProvenDigests(DigestBudget(10_000)))


def add(tree: StreamTree, *sequences: int) -> None:
    for sequence in sequences:
        tree.add(sequence, leaf(sequence), PLACE)


def test_records_in_sequence_are_proven() -> None:
    tree = new_tree()
    add(tree, *range(10))
    assert tree.add_checkpoint(checkpoint(10))
    assert (tree.counts.records, tree.counts.proven) == (10, 10)
    assert tree.is_proven(9)
    assert not tree.is_proven(10)


def test_checkpoint_ahead_of_its_records() -> None:
    tree = new_tree()
    tree.add_checkpoint(checkpoint(10))
    add(tree, *range(9))
    assert tree.counts.proven == 0
    add(tree, 9)
    assert tree.counts.proven == 10


@given(st.permutations(range(40)))
def test_any_order_proves_all_records(sequences: list[int]) -> None:
    tree = new_tree()
    for size in (30, 10, 40, 20):
        tree.add_checkpoint(checkpoint(size))
    add(tree, *sequences)
    tree.finish()
    assert tree.counts.proven == 40
    assert list(tree.parked) == []
    assert tree.held.window.count == 0


def test_gap_parks_only_its_interval() -> None:
    tree = new_tree()
    for size in (10, 20, 30):
        tree.add_checkpoint(checkpoint(size))
    add(tree, *range(13), *range(14, 30))
    tree.finish()
    (interval,) = tree.parked
    assert (interval.start, interval.end, interval.absent, interval.refuted) == (10, 20, 1, False)
    assert list(tree.parked.gaps(interval)) == [(13, 13)]
    assert tree.counts.proven == 20
    assert not tree.is_proven(12)
    add(tree, 13)
    assert tree.counts.proven == 30
    assert list(tree.parked) == []


def test_gap_without_frontier_parks_the_rest() -> None:
    tree = new_tree()
    for size in (10, 20, 30):
        tree.add_checkpoint(checkpoint(size, with_frontier=False))
    add(tree, *range(13), *range(14, 30))
    tree.finish()
    assert tree.counts.proven == 10
    assert list(tree.tail_gaps()) == [(13, 13)]


def test_many_records_after_a_gap_are_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding_tree, "JUMP_LEAVES", 5)
    tree = new_tree()
    tree.add_checkpoint(checkpoint(10))
    tree.add_checkpoint(checkpoint(20))
    add(tree, *range(1, 20))
    assert tree.counts.proven == 10
    assert [interval.start for interval in tree.parked] == [0]


def test_altered_record_refutes_its_interval() -> None:
    tree = new_tree()
    tree.add_checkpoint(checkpoint(10))
    tree.add_checkpoint(checkpoint(20))
    add(tree, *range(4))
    tree.add(4, leaf(400), PLACE)
    add(tree, *range(5, 20))
    (interval,) = tree.parked
    assert (interval.start, interval.end, interval.refuted) == (0, 10, True)
    assert tree.counts.proven == 10


def test_true_copy_after_the_altered_record() -> None:
    tree = new_tree()
    tree.add_checkpoint(checkpoint(10))
    add(tree, *range(4))
    tree.add(4, leaf(400), PLACE)
    add(tree, *range(5, 10))
    assert not tree.add(4, leaf(4), PLACE)
    tree.finish()
    assert tree.counts.proven == 10
    assert [(copy.sequence, copy.leaf, copy.place) for copy in tree.copies.altered] == [(4, leaf(400), None)]


def test_copies_are_compared_in_every_state() -> None:
    tree = new_tree()
    tree.add_checkpoint(checkpoint(10))
    tree.add_checkpoint(checkpoint(20))
    add(tree, *range(15), 17)  # proven to 10, tail to 15, one ahead
    add(tree, 3, 12, 17)
    assert tree.counts.duplicates == 3
    for sequence in (3, 12, 17):
        assert not tree.add(sequence, leaf(sequence + 500), PLACE)
    assert [copy.sequence for copy in tree.copies.altered] == [3]
    assert sorted(tree.copies.conflicts) == [12, 17]


def test_second_root_of_a_size_is_refused() -> None:
    tree = new_tree()
    assert tree.add_checkpoint(checkpoint(10))
    assert tree.add_checkpoint(checkpoint(10))
    assert not tree.add_checkpoint(dataclasses.replace(checkpoint(10), root=bytes(32)))


def test_late_checkpoint_splits_a_parked_interval() -> None:
    tree = new_tree()
    tree.add_checkpoint(checkpoint(20))
    add(tree, *range(3), *range(4, 20))
    tree.finish()
    assert tree.counts.proven == 0
    tree.add_checkpoint(checkpoint(10))
    assert tree.counts.proven == 10
    assert [(interval.start, interval.end) for interval in tree.parked] == [(0, 10)]


def test_record_without_room_is_seen_but_unproven() -> None:
    tree = StreamTree(LeafWindow(LeafBudget(1)), ProvenDigests(DigestBudget(10)))
    add(tree, 5, 6, 6)
    assert (tree.counts.records, tree.counts.uncompared) == (2, 1)
    assert list(tree.tail_gaps()) == []
    tree.add_checkpoint(checkpoint(5, with_frontier=False))
    assert list(tree.tail_gaps()) == [(0, 4)]
    assert tree.seen_end == 7


def test_restored_tree_continues_like_the_first() -> None:
    first = new_tree()
    for size in (10, 20, 40):
        first.add_checkpoint(checkpoint(size))
    add(first, *range(13), *range(14, 25), 27, 3)
    first.add(22, leaf(900), PLACE)
    snapshot = first.snapshot()
    second = new_tree()
    second.restore(snapshot)
    again = second.snapshot()
    assert (again.runs, again.parked, again.pending, again.tail) == (
        snapshot.runs,
        snapshot.parked,
        snapshot.pending,
        snapshot.tail,
    )
    for tree in (first, second):
        add(tree, 13, 25, 26, *range(28, 40))
        tree.finish()
    assert first.counts == second.counts
    assert second.counts.proven == 40
    assert [copy.sequence for copy in second.copies.altered] == [22]


def test_snapshot_shares_nothing_with_the_tree() -> None:
    tree = new_tree()
    tree.add_checkpoint(checkpoint(20))
    add(tree, *range(3), *range(4, 12))
    snapshot = tree.snapshot()
    intervals, runs, counts = list(snapshot.parked), list(snapshot.runs), dataclasses.replace(snapshot.counts)
    other = new_tree()
    other.restore(snapshot)
    for each in (tree, other):
        add(each, 3, *range(12, 20))
    assert (snapshot.parked, snapshot.runs, snapshot.counts) == (intervals, runs, counts)
    assert [interval.absent for interval in snapshot.parked] == [9]
