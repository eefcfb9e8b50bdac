"""Signed leaf hashes judge each copy by itself, in any order of arrival, next to intervals without them."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.leaves import IntervalLeaves
from telemetry.format.proof.merkle import Frontier
from telemetry.reader.entry import Place
from telemetry.reader.verify.tree import folding_tree
from telemetry.reader.verify.tree.digests import DigestBudget, ProvenDigests
from telemetry.reader.verify.tree.leaf_window import LeafBudget, LeafWindow
from telemetry.reader.verify.tree.signed_leaves import SignedInterval
from telemetry.reader.verify.tree.stream_tree import StreamTree

TIME = "2026-01-02T03:04:05.000000Z"


def place(sequence: int) -> Place:
    return Place("audit-events", 0, sequence)


def leaf(sequence: int) -> bytes:
    return hashlib.sha256(b"%d" % sequence).digest()


def tree_of(size: int) -> Frontier:
    frontier = Frontier()
    frontier.extend(map(leaf, range(size)))
    return frontier


def signed(start: int, end: int) -> tuple[Checkpoint, IntervalLeaves]:
    checkpoint = Checkpoint.of(tree_of(end), source="/production/payments", producer="p", time=TIME, interval=start)
    return checkpoint, IntervalLeaves(start, tree_of(start).roots, b"".join(map(leaf, range(start, end))))


def new_tree() -> StreamTree:
    return StreamTree(LeafWindow(LeafBudget(10_000)), ProvenDigests(DigestBudget(10_000)))


def add(tree: StreamTree, *sequences: int) -> None:
    for sequence in sequences:
        tree.add(sequence, leaf(sequence), place(sequence))


class TestInterval:
    def test_runs_of_gaps_and_altered_records(self) -> None:
        interval = SignedInterval(10, b"".join(map(leaf, range(10, 20))), TIME)
        for sequence in (11, 12, 15, 19):
            assert interval.arrive(sequence, leaf(sequence))
        for sequence in (13, 19):
            assert not interval.arrive(sequence, leaf(99))
        assert list(interval.gaps()) == [(10, 10), (14, 14), (16, 18)]
        assert list(interval.altered()) == [(13, 13)]
        assert (interval.is_proven(19), interval.is_proven(13), interval.is_whole) == (True, False, False)
        for sequence in range(10, 20):
            interval.arrive(sequence, leaf(sequence))
        assert (list(interval.gaps()), interval.is_whole) == ([], True)


class TestTree:
    @given(st.permutations(range(40)), st.permutations([(0, 10), (10, 25), (25, 30), (30, 40)]), st.integers(0, 40))
    def test_any_order_proves_all_records(
        self, sequences: list[int], intervals: list[tuple[int, int]], before: int
    ) -> None:
        tree = new_tree()
        add(tree, *sequences[:before])
        for start, end in intervals:
            assert tree.add_checkpoint(*signed(start, end))
        add(tree, *sequences[before:])
        tree.finish()
        assert (tree.counts.proven, tree.counts.records) == (40, 40)
        assert (list(tree.parked), list(tree.judge.partial), tree.held.window.count) == ([], [], 0)
        assert all(map(tree.is_proven, range(40)))

    @given(st.permutations(range(30)), st.integers(0, 30), st.sampled_from([0, 12, 29]))
    def test_rivals_never_prevent_a_proof(self, sequences: list[int], before: int, victim: int) -> None:
        tree = new_tree()
        rivals = [(victim, number) for number in range(20)]
        for number, sequence in enumerate(sequences):
            if number == before:
                for start in (0, 10, 20):
                    tree.add_checkpoint(*signed(start, start + 10))
            for _, rival in rivals[number : number + 1]:
                tree.add(victim, leaf(1_000 + rival), place(rival))
            add(tree, sequence)
        for start in (0, 10, 20):
            tree.add_checkpoint(*signed(start, start + 10))
        tree.finish()
        assert (tree.counts.proven, tree.counts.records) == (30, 30)
        assert {copy.sequence for copy in tree.copies.altered} == {victim}
        assert {copy.leaf for copy in tree.copies.altered} == {leaf(1_000 + number) for _, number in rivals}

    def test_checkpoint_before_its_records_knows_the_end(self) -> None:
        tree = new_tree()
        tree.add_checkpoint(*signed(0, 10))
        add(tree, *range(10))
        assert (tree.seen_end, tree.counts.proven) == (10, 10)

    def test_altered_record_is_named_with_its_place(self) -> None:
        tree = new_tree()
        add(tree, 0, 1, 2)
        tree.add(3, leaf(300), place(33))
        add(tree, 4, 6)
        tree.add(7, leaf(700), place(77))
        tree.add_checkpoint(*signed(0, 10))
        assert [(copy.sequence, copy.place) for copy in tree.copies.altered] == [(3, place(33)), (7, place(77))]
        (interval,) = tree.judge.partial
        assert (list(interval.gaps()), list(interval.altered())) == ([(5, 5), (8, 9)], [(3, 3), (7, 7)])
        assert tree.counts.proven == 5
        assert [sequence for sequence in range(10) if tree.is_proven(sequence)] == [0, 1, 2, 4, 6]

    def test_deleted_interval_leaves_the_next_ones_provable(self) -> None:
        tree = new_tree()
        add(tree, *range(10), *range(20, 30))
        tree.add_checkpoint(*signed(0, 10))
        tree.add_checkpoint(*signed(20, 30))
        tree.finish()
        assert tree.counts.proven == 20
        assert [(interval.start, interval.end, interval.absent) for interval in tree.parked] == [(10, 20, 10)]
        tree.add_checkpoint(*signed(10, 20))
        assert [(interval.start, list(interval.gaps())) for interval in tree.judge.partial] == [(10, [(10, 19)])]
        add(tree, *range(10, 20))
        assert (tree.counts.proven, list(tree.judge.partial)) == (30, [])

    def test_interval_without_leaves_between_two_with_them(self) -> None:
        tree = new_tree()
        tree.add_checkpoint(*signed(0, 10))
        tree.add_checkpoint(dataclasses.replace(signed(10, 20)[0]))
        tree.add_checkpoint(*signed(20, 30))
        add(tree, *range(29, -1, -1))
        tree.finish()
        assert tree.counts.proven == 30

    def test_other_history_at_the_start_of_an_interval(self) -> None:
        tree = new_tree()
        tree.add_checkpoint(*signed(0, 10))
        fork = Frontier()
        fork.extend(leaf(100 + number) for number in range(10))
        leaves = IntervalLeaves(10, fork.roots, b"".join(map(leaf, range(10, 20))))
        fork.extend(map(leaf, range(10, 20)))
        other = Checkpoint.of(fork, source="/production/payments", producer="p", time=TIME, interval=10)
        assert not tree.add_checkpoint(other, leaves)

    def test_fork_between_two_passed_sizes(self) -> None:
        tree = new_tree()
        add(tree, *range(20))
        for start in (0, 10):
            tree.add_checkpoint(*signed(start, start + 10))
        fork = tree_of(10)
        forged = [leaf(500 + number) for number in range(5)]
        fork.extend(forged)
        other = Checkpoint.of(fork, source="/production/payments", producer="p", time=TIME, interval=10)
        assert tree.wants_leaves(15)
        assert not tree.add_checkpoint(other, IntervalLeaves(10, tree_of(10).roots, b"".join(forged)))
        assert tree.add_checkpoint(*signed(10, 17))

    def test_long_tail_that_was_folded_is_proven(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(folding_tree, "TAIL_LEAVES", 16)
        tree = new_tree()
        add(tree, *range(50))
        for start in range(0, 50, 10):
            tree.add_checkpoint(*signed(start, start + 10))
        tree.finish()
        assert tree.counts.proven == 50

    def test_restored_tree_continues_like_the_first(self) -> None:
        first, second = new_tree(), new_tree()
        add(first, *range(13), 15)
        first.add(14, leaf(1_400), place(14))
        first.add_checkpoint(*signed(0, 10))
        first.add_checkpoint(*signed(10, 20))
        second.restore(first.snapshot())
        for tree in (first, second):
            add(tree, 14, 13, 16, 17)
        assert first.counts == second.counts
        assert second.counts.proven == 18
        assert [list(interval.gaps()) for interval in second.judge.partial] == [[(18, 19)]]
