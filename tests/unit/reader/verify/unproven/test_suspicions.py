"""What looks wrong counts only where a trusted key has signed."""

from __future__ import annotations

import hashlib

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import Frontier
from telemetry.reader.entry import Place
from telemetry.reader.verify.tree.digests import DigestBudget, ProvenDigests
from telemetry.reader.verify.tree.leaf_window import LeafBudget, LeafWindow
from telemetry.reader.verify.tree.stream_tree import StreamTree
from telemetry.reader.verify.unproven.suspicions import Suspicions
from telemetry.reader.verify.verdicts import MAX_FINDINGS, Finding, Verdict

PLACE = Place("audit-events", 0, 7)


def leaf(sequence: int) -> bytes:
    return hashlib.sha256(b"%d" % sequence).digest()


def proven(size: int, *, more: int = 0) -> StreamTree:
    tree = StreamTree(LeafWindow(LeafBudget(10_000)), ProvenDigests(DigestBudget(10_000)))
    frontier = Frontier()
    for sequence in range(size + more):
        tree.add(sequence, leaf(sequence), PLACE)
    frontier.extend(map(leaf, range(size)))
    tree.add_checkpoint(
        Checkpoint.of(frontier, source="/production/payments", producer="p", time="2026-01-02T03:04:05.000000Z")
    )
    return tree


def finding(sequence: int) -> Finding:
    return Finding(Verdict.TAMPERED, "wrong", sequence, sequence)


def confirmed(suspicions: Suspicions) -> list[int | None]:
    return [each.first for each in suspicions.confirmed()]


def test_only_signed_records_are_suspected() -> None:
    suspicions = Suspicions(proven(10, more=5))
    for sequence in (3, 9, 10, 2**53 - 1):
        suspicions.add(finding(sequence), sequence)
    assert confirmed(suspicions) == [3, 9]
    assert [suspicion.sequences for suspicion in suspicions.undecided()] == [(10,), (2**53 - 1,)]


def test_two_records_are_compared_only_if_both_are_proven() -> None:
    tree = proven(10, more=5)
    suspicions = Suspicions(tree)
    suspicions.add(finding(3), 3, 9, needs_proof=True)
    suspicions.add(finding(4), 4, 12, needs_proof=True)
    assert confirmed(suspicions) == [3]
    # Once a copy of a record was altered, what is known of the number may be the copy's.
    tree.add(9, leaf(99), PLACE)
    assert confirmed(suspicions) == []


def test_flood_beyond_the_signed_end_displaces_nothing() -> None:
    suspicions = Suspicions(proven(10))
    suspicions.add(finding(3), 3)
    for number in range(5 * MAX_FINDINGS):
        suspicions.add(finding(10**9 + number), 10**9 + number)
    assert confirmed(suspicions) == [3]
    assert suspicions.dropped > 0
    assert len(suspicions.undecided()) <= 2 * MAX_FINDINGS
