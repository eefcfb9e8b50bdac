"""Cuts a stream into any pieces: joined in any order they are the tree of the whole, and nothing else can be joined."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof import merkle
from telemetry.format.proof.compact_range import CompactRange

sizes = st.integers(1, 300)
starts = st.one_of(st.integers(0, 300), st.integers(0, 60).map(lambda bit: (1 << bit) + 3))
hashes = st.binary(min_size=32, max_size=32)


def leaves_of(start: int, end: int) -> list[bytes]:
    return [merkle.leaf_hash(b"%d" % number) for number in range(start, end)]


def range_of(start: int, end: int) -> CompactRange:
    return CompactRange.of(start, b"".join(leaves_of(start, end)))


def pieces_of(start: int, end: int, data: st.DataObject) -> list[CompactRange]:
    cuts = sorted(data.draw(st.sets(st.integers(start, end), max_size=12)) | {start, end})
    return [range_of(one, other) for one, other in pairwise(cuts)] or [range_of(start, end)]


def joined(pieces: list[CompactRange], data: st.DataObject) -> CompactRange:
    """Join neighbours in an order that hypothesis chooses."""
    while len(pieces) > 1:
        at = data.draw(st.integers(0, len(pieces) - 2))
        pieces[at : at + 2] = [pieces[at].merge(pieces[at + 1])]
    return pieces[0]


@given(sizes, st.data())
def test_any_split_is_the_tree_of_the_whole(size: int, data: st.DataObject) -> None:
    whole = joined(pieces_of(0, size, data), data)
    tree = merkle.Frontier()
    tree.extend(leaves_of(0, size))

    assert whole.after(merkle.Frontier()).to_bytes() == tree.to_bytes()
    assert whole.roots == tree.roots


@given(starts, sizes, st.data())
def test_merging_is_associative(start: int, size: int, data: st.DataObject) -> None:
    pieces = pieces_of(start, start + size, data)

    assert joined(list(pieces), data) == joined(list(pieces), data) == range_of(start, start + size)


@given(st.integers(0, 200), st.integers(0, 200), st.data())
def test_range_continues_a_tree(before: int, size: int, data: st.DataObject) -> None:
    tree = merkle.Frontier()
    tree.extend(leaves_of(0, before))
    known = tree.to_bytes()
    part = joined(pieces_of(before, before + size, data), data)

    assert part.after(tree).root() == merkle.tree_root(leaves_of(0, before + size))
    assert tree.to_bytes() == known


@given(st.integers(3, 300), sizes, sizes, st.integers(-3, 3))
def test_gap_and_overlap_are_refused(start: int, first: int, second: int, shift: int) -> None:
    left, right = range_of(start, start + first), range_of(start + first + shift, start + first + shift + second)
    if shift == 0:
        assert left.merge(right) == range_of(start, start + first + second)
        return
    with pytest.raises(TamperedError, match="overlap" if shift < 0 else "gap"):
        left.merge(right)


@given(sizes, sizes)
def test_piece_that_is_there_twice(start: int, size: int) -> None:
    part = range_of(start, start + size)
    with pytest.raises(TamperedError, match="overlap"):
        part.merge(part)
    with pytest.raises(TamperedError):
        part.after(merkle.Frontier(start + 1, [bytes(32)] * (start + 1).bit_count()))


@given(starts, sizes, st.data())
def test_one_other_leaf_is_another_range(start: int, size: int, data: st.DataObject) -> None:
    leaves = leaves_of(start, start + size)
    leaves[data.draw(st.integers(0, size - 1))] = bytes(32)

    assert CompactRange.of(start, b"".join(leaves)) != range_of(start, start + size)


@given(starts, st.integers(0, 300))
def test_bytes_are_read_back(start: int, size: int) -> None:
    part = range_of(start, start + size)

    assert CompactRange.from_bytes(part.to_bytes()) == part
    assert hash(CompactRange.from_bytes(part.to_bytes())) == hash(part)


@given(st.binary(max_size=200))
def test_invented_bytes_raise_our_own_error(data: bytes) -> None:
    try:
        part = CompactRange.from_bytes(data)
    except FormatError:
        return
    assert part.to_bytes() == data


@given(st.integers(-5, 1 << 65), st.integers(-5, 1 << 65), st.lists(hashes, max_size=70))
def test_roots_that_do_not_fit(start: int, end: int, roots: list[bytes]) -> None:
    try:
        part = CompactRange(start, end, roots)
    except FormatError:
        return
    assert CompactRange.from_bytes(part.to_bytes()) == part


@pytest.mark.parametrize(("start", "leaves"), [(0, bytes(31)), (-1, bytes(32)), ((1 << 64) - 1, bytes(32))])
def test_leaves_that_are_no_part_of_a_tree(start: int, leaves: bytes) -> None:
    with pytest.raises(FormatError):
        CompactRange.of(start, leaves)
