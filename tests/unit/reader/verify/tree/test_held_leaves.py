"""Records out of sequence are held, or remembered without their leaf hashes when there is no room."""

from __future__ import annotations

from telemetry.format.proof.merkle import HASH_BYTES
from telemetry.reader.verify.tree.held_leaves import HeldLeaves
from telemetry.reader.verify.tree.leaf_window import PAGE_COST, LeafBudget, LeafWindow

LEAF = bytes(HASH_BYTES)


def test_highest_counts_records_without_room() -> None:
    held = HeldLeaves(LeafWindow(LeafBudget(1)))
    assert held.highest == -1
    assert held.put(7, LEAF)
    assert not held.put(9, LEAF)
    assert not held.put(8, LEAF)
    assert held.highest == 9


def test_run_without_room_is_remembered() -> None:
    held = HeldLeaves(LeafWindow(LeafBudget(PAGE_COST + 3)))
    assert held.put_run(0, LEAF * 2)
    assert not held.put_run(10, LEAF * 4)
    assert held.unheld.ranges() == [(11, 14)]
    assert held.put_run(20, b"")


def test_record_without_room_is_no_gap() -> None:
    held = HeldLeaves(LeafWindow(LeafBudget(PAGE_COST + 1)))
    assert held.put(2, LEAF)
    assert not held.put(4, LEAF)
    held.unheld.add(4)
    assert list(held.gaps(0, 6)) == [(0, 1), (3, 3), (5, 5)]
