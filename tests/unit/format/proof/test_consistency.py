"""Consistency proofs between trees of every small size, and altered ones that must be refused."""

from __future__ import annotations

import pytest

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof.consistency import consistency_path, verify_consistency
from telemetry.format.proof.merkle import leaf_hash, tree_root

LEAVES = [leaf_hash(bytes([number])) for number in range(33)]


def test_every_older_tree_is_proven() -> None:
    for size in range(18):
        new_root = tree_root(LEAVES[:size])
        for old in range(size + 1):
            path = consistency_path(LEAVES[:size], old)
            root = tree_root(LEAVES[:old])
            verify_consistency(old_size=old, old_root=root, new_size=size, new_root=new_root, path=path)
            with pytest.raises(TamperedError, match="rewritten"):
                verify_consistency(old_size=old, old_root=bytes(32), new_size=size, new_root=new_root, path=path)


@pytest.mark.parametrize("change", ["longer", "shorter", "altered", "none"])
def test_altered_consistency_proof_is_refused(change: str) -> None:
    path = consistency_path(LEAVES[:13], 7)
    changed = {"longer": [*path, path[0]], "shorter": path[:-1], "altered": [bytes(32), *path[1:]], "none": []}[change]
    with pytest.raises(TamperedError):
        verify_consistency(
            old_size=7,
            old_root=tree_root(LEAVES[:7]),
            new_size=13,
            new_root=tree_root(LEAVES[:13]),
            path=changed,
        )


def test_tree_does_not_extend_a_larger_one() -> None:
    with pytest.raises(FormatError):
        consistency_path(LEAVES[:3], 4)
    with pytest.raises(TamperedError):
        verify_consistency(old_size=4, old_root=LEAVES[0], new_size=3, new_root=LEAVES[0], path=[])
