"""The Merkle tree compared with the definition of RFC 6962, and inclusion paths that must be refused."""

from __future__ import annotations

import hashlib

import pytest

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof import merkle

LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(33)]


def defined_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word by word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + defined_root(leaves[:split]) + defined_root(leaves[split:])).digest()


def test_leaf_and_node_have_different_prefixes() -> None:
    assert merkle.leaf_hash(b"x") == hashlib.sha256(b"\x00x").digest()
    assert merkle.node_hash(b"a" * 32, b"b" * 32) == hashlib.sha256(b"\x01" + b"a" * 32 + b"b" * 32).digest()


def test_roots_follow_the_definition() -> None:
    tree = merkle.Frontier()
    for size in range(len(LEAVES)):
        assert tree.size == size
        assert tree.root() == defined_root(LEAVES[:size])
        tree.append(LEAVES[size])


def test_tree_continues_from_its_saved_state() -> None:
    for size in range(len(LEAVES)):
        tree = merkle.Frontier()
        tree.extend(LEAVES[:size])
        restored = merkle.Frontier.from_bytes(tree.to_bytes())
        restored.append(LEAVES[size])
        assert restored.root() == defined_root(LEAVES[: size + 1])
        assert len(tree.to_bytes()) <= 8 + 32 * 6


def test_packed_leaves_give_the_same_tree() -> None:
    for size in range(len(LEAVES)):
        for more in range(len(LEAVES) - size):
            tree = merkle.Frontier()
            tree.extend(LEAVES[:size])
            tree.extend_packed(b"".join(LEAVES[size : size + more]))
            assert tree.size == size + more
            assert tree.root() == defined_root(LEAVES[: size + more])


def test_a_copy_does_not_change_the_original() -> None:
    tree = merkle.Frontier()
    tree.extend(LEAVES[:5])
    tree.copy().append(LEAVES[5])
    assert (tree.size, tree.root()) == (5, defined_root(LEAVES[:5]))


@pytest.mark.parametrize(
    "state",
    [b"", b"\x00" * 7, b"\x00" * 7 + b"\x01", b"\x00" * 7 + b"\x02" + b"h" * 31, b"\x00" * 7 + b"\x01" + b"h" * 64],
)
def test_a_malformed_state_is_refused(state: bytes) -> None:
    with pytest.raises(FormatError, match="malformed"):
        merkle.Frontier.from_bytes(state)


def test_roots_that_contradict_the_size() -> None:
    with pytest.raises(FormatError, match="malformed"):
        merkle.Frontier(3, (b"h" * 32,))


def test_path_proves_its_leaf_alone() -> None:
    for size in range(1, 18):
        root = defined_root(LEAVES[:size])
        for index in range(size):
            path = merkle.inclusion_path(LEAVES[:size], index)
            merkle.verify_inclusion(LEAVES[index], index=index, size=size, path=path, root=root)
            for other in range(size):
                if other != index:
                    with pytest.raises(TamperedError):
                        merkle.verify_inclusion(LEAVES[index], index=other, size=size, path=path, root=root)


def test_each_step_of_a_path_joins_two_hashes() -> None:
    path = merkle.inclusion_path(LEAVES[:13], 12)
    node = LEAVES[12]

    for step in merkle.walk_path(node, index=12, size=13, path=path):
        left, right = (step.sibling, node) if step.is_left else (node, step.sibling)
        node = merkle.node_hash(left, right)
        assert step.node == node

    assert node == defined_root(LEAVES[:13])


@pytest.mark.parametrize("change", ["longer", "shorter", "altered", "swapped", "endless"])
def test_altered_inclusion_path_is_refused(change: str) -> None:
    path = merkle.inclusion_path(LEAVES[:13], 6)
    changed = {
        "longer": [*path, path[-1]],
        "shorter": path[:-1],
        "altered": [bytes(32), *path[1:]],
        "swapped": [path[1], path[0], *path[2:]],
        "endless": path * 1_000,
    }[change]
    with pytest.raises(TamperedError):
        merkle.verify_inclusion(LEAVES[6], index=6, size=13, path=changed, root=defined_root(LEAVES[:13]))


def test_path_from_a_preceding_tree() -> None:
    for before in range(14):
        tree = merkle.Frontier()
        tree.extend(LEAVES[:before])
        for index in range(before, 21):
            builder = merkle.InclusionPathBuilder(index, after=tree)
            for leaf in LEAVES[before:21]:
                builder.append(leaf)
            assert builder.path() == merkle.inclusion_path(LEAVES[:21], index)
    with pytest.raises(FormatError):
        merkle.InclusionPathBuilder(12, after=tree)


@pytest.mark.parametrize("index", [-1, 13, 1 << 40])
def test_no_path_outside_the_tree(index: int) -> None:
    with pytest.raises(FormatError):
        merkle.inclusion_path(LEAVES[:13], index)
    with pytest.raises(TamperedError):
        merkle.verify_inclusion(LEAVES[0], index=index, size=13, path=[], root=LEAVES[0])


def test_path_while_the_tree_grows() -> None:
    builder = merkle.InclusionPathBuilder(5)
    for size, leaf in enumerate(LEAVES, start=1):
        builder.append(leaf)
        if size > 5:
            assert builder.path() == merkle.inclusion_path(LEAVES[:size], 5)
