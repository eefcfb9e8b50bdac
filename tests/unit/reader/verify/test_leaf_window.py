"""The verifier's memory: leaf hashes in any order, digests of what is proven, and the order of keys."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from telemetry.reader.verify.key_order import KeyOrder
from telemetry.reader.verify.leaf_window import (
    DIGEST_BYTES,
    PAGE_COST,
    DigestShelf,
    LeafBudget,
    LeafWindow,
    ProvenDigests,
    UnheldSequences,
)

sequences = st.sets(st.integers(0, 2_000), max_size=60)


def leaf(sequence: int) -> bytes:
    return hashlib.sha256(b"%d" % sequence).digest()


def gaps(present: set[int], start: int, end: int) -> list[int]:
    return [sequence for sequence in range(start, end) if sequence not in present]


@given(sequences, st.integers(0, 2_000), st.integers(1, 600))
def test_a_window_keeps_what_was_put_and_knows_its_gaps(present: set[int], start: int, width: int) -> None:
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
    assert (window.count, budget.left) == (0, 10_000)


def test_a_run_is_taken_up_to_the_first_gap() -> None:
    window = LeafWindow(LeafBudget(100))
    assert window.put_run(250, b"".join(leaf(sequence) for sequence in range(250, 270))) == 20
    window.put(271, leaf(271))
    assert window.take_run(250) == b"".join(leaf(sequence) for sequence in range(250, 270))
    assert window.take_run(250) == b""
    assert window.count == 1


def test_the_budget_is_shared() -> None:
    budget = LeafBudget(2 * PAGE_COST + 3)
    one, other = LeafWindow(budget), LeafWindow(budget)
    assert one.put(0, leaf(0))
    assert other.put(5_000, leaf(1))
    assert one.put(1, leaf(3))
    assert not one.put(2, leaf(2))
    assert not other.put(300, leaf(2))
    other.take(0, 10_000)
    assert budget.left == PAGE_COST + 1
    assert one.put_run(2, leaf(2) * 400) == PAGE_COST + 1
    assert one.count == PAGE_COST + 3


@given(sequences, st.integers(0, 2_000), st.integers(1, 600))
def test_sequences_that_found_no_room(present: set[int], start: int, width: int) -> None:
    unheld = UnheldSequences()
    for sequence in present:
        assert unheld.add(sequence)
    end = start + width
    absent = [sequence for first, last in unheld.absent(start, end) for sequence in range(first, last + 1)]
    assert absent == gaps(present, start, end)
    assert unheld.is_empty == (not present)


def test_their_number_is_bounded() -> None:
    unheld = UnheldSequences()
    for sequence in range(0, 140_000, 2):
        unheld.add(sequence)
    assert len(unheld.ranges()) <= 65_536


def test_digests_of_proven_records() -> None:
    digests = ProvenDigests(DigestShelf(1_000))
    digests.add(10, b"".join(leaf(sequence) for sequence in range(10, 20)))
    digests.add(40, b"".join(leaf(sequence) for sequence in range(40, 50)))
    digests.add(20, b"".join(leaf(sequence) for sequence in range(20, 30)))
    digests.add(60, b"")
    for sequence in range(70):
        known = sequence in range(10, 30) or sequence in range(40, 50)
        assert digests.get(sequence) == (leaf(sequence)[:DIGEST_BYTES] if known else None)


def test_the_oldest_digests_go_first() -> None:
    shelf = DigestShelf(25)
    one, other = ProvenDigests(shelf), ProvenDigests(shelf)
    one.add(0, leaf(0) * 10)
    other.add(0, leaf(0) * 10)
    one.add(50, leaf(0) * 10)
    assert (one.get(5), other.get(5), one.get(55)) == (None, leaf(0)[:8], leaf(0)[:8])


def test_keys_that_have_not_been_seen_for_long_are_forgotten_and_never_invented() -> None:
    order = KeyOrder(most=100)
    assert order.add(0, 0, b"alice", 7) is None
    assert order.add(0, 0, b"alice", 5) == 7
    assert order.add(0, 1, b"alice", 5) is None
    assert order.add(1, 0, b"alice", 5) is None
    for number in range(99):
        order.add(0, 0, b"user-%d" % number, number)
    assert order.add(0, 0, b"alice", 6) == 7
    for number in range(250):
        order.add(0, 0, b"other-%d" % number, number)
    assert order.add(0, 0, b"alice", 6) is None
    assert len(order._young) + len(order._old) <= 200
