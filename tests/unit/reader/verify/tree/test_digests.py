"""Digests of proven records are found by sequence, and the oldest are forgotten when there are too many."""

from __future__ import annotations

import hashlib

from telemetry.reader.verify.tree.digests import DIGEST_BYTES, DigestBudget, ProvenDigests


def leaf(sequence: int) -> bytes:
    return hashlib.sha256(b"%d" % sequence).digest()


def test_digest_of_each_proven_record() -> None:
    digests = ProvenDigests(DigestBudget(1_000))
    digests.add(10, b"".join(leaf(sequence) for sequence in range(10, 20)))
    digests.add(40, b"".join(leaf(sequence) for sequence in range(40, 50)))
    digests.add(20, b"".join(leaf(sequence) for sequence in range(20, 30)))
    digests.add(60, b"")
    for sequence in range(70):
        known = sequence in range(10, 30) or sequence in range(40, 50)
        assert digests.get(sequence) == (leaf(sequence)[:DIGEST_BYTES] if known else None)


def test_oldest_digests_are_forgotten_first() -> None:
    budget = DigestBudget(25)
    one, other = ProvenDigests(budget), ProvenDigests(budget)
    one.add(0, leaf(0) * 10)
    other.add(0, leaf(0) * 10)
    one.add(50, leaf(0) * 10)
    assert (one.get(5), other.get(5), one.get(55)) == (None, leaf(0)[:8], leaf(0)[:8])
