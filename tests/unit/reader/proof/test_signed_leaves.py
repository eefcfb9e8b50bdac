from __future__ import annotations

from telemetry.reader.proof.signed_leaves import MAX_FILES, SignedLeafStore


def _leaf(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_leaves_are_found_in_memory_and_in_files() -> None:
    store = SignedLeafStore(memory=100, file=100)
    positions = [store.append(_leaf(2 * number) + _leaf(2 * number + 1)) for number in range(10)]

    assert [store.leaf(position) for position in positions] == [_leaf(2 * number) for number in range(10)]
    assert [store.leaf(position + 32) for position in positions] == [_leaf(2 * number + 1) for number in range(10)]
    store.close()


def test_oldest_files_are_forgotten() -> None:
    store = SignedLeafStore(memory=32, file=32)
    positions = [store.append(_leaf(number)) for number in range(2 + MAX_FILES)]

    assert store.leaf(positions[0]) == _leaf(0)
    assert store.leaf(positions[1]) is None
    assert [store.leaf(position) for position in positions[2:]] == [_leaf(number) for number in range(2, 2 + MAX_FILES)]
    store.close()
