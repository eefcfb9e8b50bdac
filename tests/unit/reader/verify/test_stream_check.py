"""What a producer's checkpoints say is collected, and contradictions are found at once."""

from __future__ import annotations

import dataclasses

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import Frontier
from telemetry.reader.entry import Place
from telemetry.reader.verify.key_order import KeyOrder
from telemetry.reader.verify.stream_check import MAX_SIGNERS, StreamCheck
from telemetry.reader.verify.tree.digests import DigestBudget, ProvenDigests
from telemetry.reader.verify.tree.leaf_window import LeafBudget, LeafWindow
from telemetry.reader.verify.tree.stream_tree import StreamTree
from telemetry.reader.verify.unproven.stream_name import StreamName
from telemetry.reader.verify.verdicts import Verdict

PRODUCER = "0198c0de-0000-7000-8000-000000000001"
PLACE = Place("audit-events", 0, 7)
LEAF = bytes(32)


def checkpoint(size: int, *, source: str = "/production/payments") -> Checkpoint:
    tree = Frontier()
    tree.extend([LEAF] * size)
    return Checkpoint.of(tree, source=source, producer=PRODUCER, time="2026-01-02T03:04:05.000000Z")


def new_check() -> StreamCheck:
    tree = StreamTree(LeafWindow(LeafBudget(1_000)), ProvenDigests(DigestBudget(1_000)))
    return StreamCheck(StreamName.of(PRODUCER, ""), 0, tree, KeyOrder())


def add_records(check: StreamCheck, start: int, end: int) -> None:
    for sequence in range(start, end):
        check.tree.add(sequence, LEAF, PLACE)


def fields(check: StreamCheck) -> list[tuple[Verdict, str]]:
    return [(finding.verdict, finding.field) for finding in check.findings.sorted()]


def test_each_checkpoint_counts_once() -> None:
    check = new_check()
    for size in (0, 0, 5, 5, 9):
        check.add_trusted(checkpoint(size), {"key": "trusted"}, PLACE)
    assert (check.trusted.count, check.trusted.size) == (3, 9)
    assert fields(check) == []


def test_two_roots_of_one_size_are_tampered() -> None:
    check = new_check()
    check.add_trusted(checkpoint(5), {"key": "trusted"}, PLACE)
    check.add_trusted(dataclasses.replace(checkpoint(5), root=bytes(32)), {"key": "trusted"}, PLACE)
    assert fields(check) == [(Verdict.TAMPERED, "root")]


def test_untrusted_signers_are_bounded() -> None:
    check = new_check()
    for number in range(MAX_SIGNERS + 5):
        check.add_signers(f"stranger+{number}")
    assert len(check.signers) == MAX_SIGNERS
    assert fields(check) == []


def test_suspicion_of_an_unsigned_record_is_no_finding() -> None:
    check = new_check()
    add_records(check, 0, 7)
    check.add_trusted(checkpoint(5), {"key": "trusted"}, PLACE)
    for sequence in (3, 6):
        check.suspect("wrong key", sequence, place=PLACE, field="key")
    assert [finding.first for finding in check.suspicions.confirmed()] == [3]
    assert [finding.first for finding in check.snapshot().findings] == [3]
    assert [suspicion.sequences for suspicion in check.snapshot().suspicions] == [(6,)]


def test_earlier_root_is_required_until_found() -> None:
    check = new_check()
    check.require_earlier_root(checkpoint(5))
    assert check.snapshot().required == checkpoint(5)
    add_records(check, 0, 5)
    assert check.required_size == 5
    assert check.snapshot().required is None


def test_earlier_root_found_again_counts_once() -> None:
    check = new_check()
    check.require_earlier_root(checkpoint(5))
    for _ in range(2):
        check.add_trusted(checkpoint(5), {"key": "trusted"}, PLACE)
    assert check.trusted.count == 1


def test_restored_check_continues() -> None:
    first, second = new_check(), new_check()
    add_records(first, 0, 7)
    first.add_trusted(checkpoint(5), {"key": "trusted"}, PLACE)
    first.tampered("altered", place=PLACE)
    second.restore(first.snapshot())
    assert (second.verified_before, second.trusted.count, second.trusted.keys) == (5, 1, {"key"})
    assert second.findings.sorted() == first.findings.sorted()
    add_records(second, 7, 9)
    second.add_trusted(checkpoint(9), {"key": "trusted"}, PLACE)
    assert second.tree.counts.proven == 9
