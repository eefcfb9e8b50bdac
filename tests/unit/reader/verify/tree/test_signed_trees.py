"""Signed roots are kept by size, and checkpoints wait in order until the records reach them."""

from __future__ import annotations

import dataclasses

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import EMPTY_ROOT, Frontier
from telemetry.reader.verify.tree.signed_trees import SignedTrees


def checkpoint(size: int, *, with_frontier: bool = True) -> Checkpoint:
    tree = Frontier()
    tree.extend([bytes(32)] * size)
    signed = Checkpoint.of(tree, source="/production/payments", producer="p", time="2026-01-02T03:04:05.000000Z")
    return signed if with_frontier else dataclasses.replace(signed, frontier=None)


def test_empty_tree_has_its_published_root() -> None:
    signed = SignedTrees()
    assert signed.roots == {0: EMPTY_ROOT}
    assert signed.add_root(checkpoint(0))


def test_second_root_of_a_size_is_refused() -> None:
    signed = SignedTrees()
    assert signed.add_root(checkpoint(3))
    assert not signed.add_root(dataclasses.replace(checkpoint(3), root=bytes(32)))
    assert signed.roots[3] == checkpoint(3).root


def test_pending_checkpoints_are_in_order() -> None:
    signed = SignedTrees()
    assert [signed.add_pending(checkpoint(size)) for size in (5, 2, 9, 5)] == [True, True, True, False]
    assert [pending.size for pending in signed.pending] == [2, 5, 9]


def test_checkpoints_before_the_resumable_one_are_dropped() -> None:
    signed = SignedTrees()
    for size, with_frontier in ((2, False), (5, True), (9, False)):
        signed.add_pending(checkpoint(size, with_frontier=with_frontier))
    resumable = signed.take_resumable()
    assert resumable is not None
    assert resumable.size == 5
    assert [pending.size for pending in signed.pending] == [9]
    assert signed.take_resumable() is None
