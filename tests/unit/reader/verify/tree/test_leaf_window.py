"""Leaf hashes are held in any order, within a budget that producers share."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from telemetry.reader.verify.tree.leaf_window import PAGE_COST, LeafBudget, LeafWindow

sequences = st.sets(st.integers(0, 2_000), max_size=60)


def leaf(sequence: int) -> bytes:
    return hashlib.sha256(b"%d" % sequence).digest()


def gaps(present: set[int], start: int, end: int) -> list[int]:
    return [sequence for sequence in range(start, end) if sequence not in present]


@given(sequences, st.integers(0, 2_000), st.integers(1, 600))
def test_leaves_held_and_gaps_known(present: set[int], start: int, width: int) -> None:
    budget = LeafBudget(10_000)
    window = LeafWindow(budget)
    for sequence in present:
        assert window.put(sequence, leaf(sequence))
    assert window.count == len(present)
    end = start + width
    inside = sorted(sequence for sequence in present if start <= sequence < end)
    assert list(window.present(start, end)) == inside
    absent = [sequence for first, last in window.absent(start, end) for sequence in range(first, last + 1)]
    assert absent == gaps(present, start, end)
    runs = {
        first + at: leaves[at * 32 : at * 32 + 32] for first, leaves in window.runs() for at in range(len(leaves) // 32)
    }
    assert runs == {sequence: leaf(sequence) for sequence in present}
    assert window.take(start, end) == b"".join(leaf(sequence) for sequence in inside)
    assert window.count == len(present) - len(inside)
    window.take(0, 4_000)
    assert (window.count, budget.remaining) == (0, 10_000)


def test_run_ends_at_first_gap() -> None:
    window = LeafWindow(LeafBudget(100))
    assert window.put_run(250, b"".join(leaf(sequence) for sequence in range(250, 270))) == 20
    window.put(271, leaf(271))
    assert window.take_run(250) == b"".join(leaf(sequence) for sequence in range(250, 270))
    assert window.take_run(250) == b""
    assert window.count == 1


def test_budget_shared_by_producers() -> None:
    budget = LeafBudget(2 * PAGE_COST + 3)
    one, other = LeafWindow(budget), LeafWindow(budget)
    assert one.put(0, leaf(0))
    assert other.put(5_000, leaf(1))
    assert one.put(1, leaf(3))
    assert not one.put(2, leaf(2))
    assert not other.put(300, leaf(2))
    other.take(0, 10_000)
    assert budget.remaining == PAGE_COST + 1
    assert one.put_run(2, leaf(2) * 400) == PAGE_COST + 1
    assert one.count == PAGE_COST + 3
