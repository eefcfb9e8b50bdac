"""Builds trees of any size: a proof is valid for a leaf of the tree and for nothing else."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof import merkle
from telemetry.format.proof.consistency import consistency_path, verify_consistency

sizes = st.integers(1, 300)


def leaves_of(size: int) -> list[bytes]:
    return [merkle.leaf_hash(b"%d" % number) for number in range(size)]


def defined_root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + defined_root(leaves[:split]) + defined_root(leaves[split:])).digest()


@given(sizes, st.data())
def test_root_of_leaves_added_in_any_way(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    tree = merkle.Frontier()
    while tree.size < size:
        count = data.draw(st.integers(1, size - tree.size))
        part = leaves[tree.size : tree.size + count]
        if data.draw(st.booleans()):
            tree.extend_packed(b"".join(part))
        else:
            tree.extend(part)
        tree = merkle.Frontier.from_bytes(tree.to_bytes())
    assert tree.root() == defined_root(leaves)


@given(sizes, st.data())
def test_any_inclusion_path(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    root, path = merkle.tree_root(leaves), merkle.inclusion_path(leaves, index)
    assert len(path) <= (size - 1).bit_length()
    merkle.verify_inclusion(leaves[index], index=index, size=size, path=path, root=root)
    with pytest.raises(TamperedError):
        merkle.verify_inclusion(bytes(32), index=index, size=size, path=path, root=root)
    if path:
        index = data.draw(st.integers(0, len(path) - 1))
        altered = [*path[:index], bytes(32), *path[index + 1 :]]
        with pytest.raises(TamperedError):
            merkle.verify_inclusion(leaves[index], index=index, size=size, path=altered, root=root)


@given(sizes, st.data())
def test_any_consistency_path(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    old = data.draw(st.integers(1, size))
    path = consistency_path(leaves, old)
    old_root, new_root = merkle.tree_root(leaves[:old]), merkle.tree_root(leaves)
    verify_consistency(old_size=old, old_root=old_root, new_size=size, new_root=new_root, path=path)
    if old < size:
        rewritten = merkle.tree_root([bytes(32), *leaves[1:old]])
        with pytest.raises(TamperedError):
            verify_consistency(old_size=old, old_root=rewritten, new_size=size, new_root=new_root, path=path)


hashes = st.binary(min_size=32, max_size=32)


@given(st.integers(-1, 1 << 64), st.integers(-1, 1 << 64), hashes, hashes, st.lists(hashes, max_size=70))
def test_invented_proofs_raise_our_own_error(
    one: int, other: int, first: bytes, second: bytes, path: list[bytes]
) -> None:
    with pytest.raises(TamperedError):
        merkle.verify_inclusion(first, index=one, size=other, path=path, root=bytes(32))
    if one not in (0, other) or path:
        with pytest.raises(TamperedError):
            verify_consistency(old_size=one, old_root=first, new_size=other, new_root=second, path=path)


@given(st.binary(max_size=300))
def test_invented_state_is_refused_or_kept(data: bytes) -> None:
    try:
        tree = merkle.Frontier.from_bytes(data)
    except FormatError:
        return
    assert tree.to_bytes() == data
