"""The checkpoints of trusted keys are summed up in any order."""

from __future__ import annotations

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import Frontier
from telemetry.reader.verify.trusted_checkpoints import TrustedCheckpoints


def checkpoint(size: int, *, final: bool = False) -> Checkpoint:
    tree = Frontier()
    tree.extend([bytes(32)] * size)
    return Checkpoint.of(
        tree, source="/production/payments", producer="p", time="2026-01-02T03:04:05.000000Z", final=final
    )


def test_largest_checkpoint_is_the_latest() -> None:
    trusted = TrustedCheckpoints()
    assert trusted.size == 0
    for size in (3, 9, 5):
        trusted.add(checkpoint(size), ["key"], is_new=True)
    assert (trusted.size, trusted.count, trusted.keys) == (9, 3, {"key"})
    assert trusted.closing is None


def test_copy_of_a_checkpoint_is_not_counted() -> None:
    trusted = TrustedCheckpoints()
    trusted.add(checkpoint(3), ["old"], is_new=True)
    trusted.add(checkpoint(3), ["new"], is_new=False)
    assert (trusted.count, trusted.keys) == (1, {"old", "new"})


def test_checkpoint_of_an_empty_stream_counts() -> None:
    trusted = TrustedCheckpoints()
    trusted.add(checkpoint(0), ["key"], is_new=True)
    assert trusted.latest is not None


def test_largest_final_checkpoint_closes_the_stream() -> None:
    trusted = TrustedCheckpoints()
    trusted.add(checkpoint(9, final=True), ["key"], is_new=True)
    trusted.add(checkpoint(4, final=True), ["key"], is_new=True)
    assert trusted.closing is not None
    assert trusted.closing.size == 9
