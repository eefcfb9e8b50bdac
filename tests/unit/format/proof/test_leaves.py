"""Leaf hashes beside a checkpoint: believed where they make the signed root, and never otherwise."""

from __future__ import annotations

import dataclasses

import pytest

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.leaves import MAX_LEAVES, IntervalLeaves, as_text, from_text
from telemetry.format.proof.merkle import Frontier, leaf_hash

PRODUCER = "0198c0de-0000-7000-8000-00000000000a"


def leaves_of(start: int, end: int, *, first: bytes = b"value") -> bytes:
    return b"".join(leaf_hash(b"%b %d" % (first, number)) for number in range(start, end))


def beside(start: int, end: int) -> tuple[Checkpoint, IntervalLeaves]:
    tree = Frontier()
    tree.extend_packed(leaves_of(0, start))
    found = IntervalLeaves(start, tree.roots, leaves_of(start, end))
    tree.extend_packed(found.leaves)
    checkpoint = Checkpoint.of(
        tree, source="/p/s", producer=PRODUCER, time="2026-01-02T03:04:05Z", topic="audit-events", interval=start
    )
    return checkpoint, found


@pytest.mark.parametrize(("start", "end"), [(0, 1), (0, 1_024), (5, 6), (7, 300), (1_000_000, 1_000_010)])
def test_round_trip(start: int, end: int) -> None:
    checkpoint, written = beside(start, end)
    found = IntervalLeaves.decode(written.encode(), checkpoint)
    assert found == written
    assert (found.start, found.end) == (start, end)
    assert found.leaf(start) == leaf_hash(b"value %d" % start)
    assert found.leaf(end - 1) == leaf_hash(b"value %d" % (end - 1))
    assert found.tree().size == start


def test_header_is_version_start_frontier_and_leaves() -> None:
    _, written = beside(3, 5)
    header = written.encode()
    assert header == b"\x01" + (3).to_bytes(8, "big") + b"".join(written.frontier) + leaves_of(3, 5)
    assert len(header) == 1 + 8 + 2 * 32 + 2 * 32


@pytest.mark.parametrize("sequence", [-1, 2, 5, 1 << 60])
def test_no_leaf_outside_the_interval(sequence: int) -> None:
    with pytest.raises(IndexError):
        beside(3, 5)[1].leaf(sequence)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x01",
        b"\x02" + beside(3, 5)[1].encode()[1:],
        beside(3, 5)[1].encode()[:-1],
        beside(3, 5)[1].encode() + bytes(1),
        beside(3, 5)[1].encode() + bytes(32),
        beside(3, 6)[1].encode(),
        beside(5, 7)[1].encode(),
        bytes(10 << 20),
    ],
)
def test_header_of_another_form_or_interval_is_refused(header: bytes) -> None:
    with pytest.raises(FormatError):
        IntervalLeaves.decode(header, beside(3, 5)[0])


def test_other_leaves_do_not_prove_anything() -> None:
    checkpoint, written = beside(3, 5)
    forged = dataclasses.replace(written, leaves=leaves_of(3, 5, first=b"forged"))
    with pytest.raises(TamperedError, match="root"):
        IntervalLeaves.decode(forged.encode(), checkpoint)


def test_other_tree_before_the_interval_does_not_prove_anything() -> None:
    checkpoint, written = beside(3, 5)
    forged = dataclasses.replace(written, frontier=(bytes(32), bytes(32)))
    with pytest.raises(TamperedError, match="root"):
        IntervalLeaves.decode(forged.encode(), checkpoint)


@pytest.mark.parametrize("interval", [None, 5])
def test_checkpoint_without_records_in_its_interval(interval: int | None) -> None:
    checkpoint, written = beside(3, 5)
    with pytest.raises(FormatError, match="no interval"):
        IntervalLeaves.decode(written.encode(), dataclasses.replace(checkpoint, interval=interval))


def test_interval_with_more_leaves_than_a_record_carries() -> None:
    checkpoint, written = beside(0, MAX_LEAVES + 1)
    with pytest.raises(FormatError):
        written.encode()
    with pytest.raises(FormatError, match="no interval"):
        IntervalLeaves.decode(b"\x01" + bytes(8) + written.leaves, checkpoint)


@pytest.mark.parametrize("leaves", [b"", bytes(31), bytes(33)])
def test_leaves_that_are_no_hashes_are_not_written(leaves: bytes) -> None:
    with pytest.raises(FormatError):
        IntervalLeaves(0, (), leaves).encode()


def test_stored_record_has_them_in_base64() -> None:
    header = beside(3, 5)[1].encode()
    assert from_text(as_text(header)) == header
    assert as_text(b"") == ()
    assert [name for name, _ in as_text(header)] == ["telemetry-leaves"]


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("telemetry-batch", "AQID"),),
        (("telemetry-leaves", "not base64"),),
        (("telemetry-leaves", "AQI"),),
        (("telemetry-leaves", "A" * (1 << 20)),),
    ],
)
def test_stored_record_without_readable_leaves_has_none(headers: tuple[tuple[str, str], ...]) -> None:
    assert from_text(headers) == b""
