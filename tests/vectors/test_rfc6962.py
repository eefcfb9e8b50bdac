"""Trees and proofs of RFC 6962 that other implementations agree on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from telemetry.format.proof import merkle
from telemetry.format.proof.consistency import consistency_path, verify_consistency

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "rfc6962.json").read_text("utf-8"))
LEAVES = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in VECTORS["leaves"]]
ROOTS = [bytes.fromhex(root) for root in VECTORS["roots"]]


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_published_roots(size: int) -> None:
    packed = merkle.Frontier()
    packed.extend_packed(b"".join(LEAVES[:size]))
    assert merkle.tree_root(LEAVES[:size]) == packed.root() == ROOTS[size]


@pytest.mark.parametrize("vector", VECTORS["inclusion"])
def test_published_inclusion_paths(vector: dict[str, Any]) -> None:
    index, size = vector["index"], vector["size"]
    path = [bytes.fromhex(node) for node in vector["path"]]
    assert merkle.inclusion_path(LEAVES[:size], index) == path
    merkle.verify_inclusion(LEAVES[index], index=index, size=size, path=path, root=ROOTS[size])


@pytest.mark.parametrize("vector", VECTORS["consistency"])
def test_published_consistency_paths(vector: dict[str, Any]) -> None:
    old, new = vector["old"], vector["new"]
    path = [bytes.fromhex(node) for node in vector["path"]]
    assert consistency_path(LEAVES[:new], old) == path
    verify_consistency(old_size=old, old_root=ROOTS[old], new_size=new, new_root=ROOTS[new], path=path)
