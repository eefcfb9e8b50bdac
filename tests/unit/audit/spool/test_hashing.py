"""Checks that a spool hashes every record before it continues: the sender does not hash what comes from a spool."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from telemetry.audit.accept.room import Room
from telemetry.audit.producer import ProducerTree, TreeState
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.exceptions import SpoolError
from telemetry.format.proof.merkle import Frontier, leaf_hash
from tests.support.leftovers import records
from tests.support.one_stream_spool import OneStreamSpool
from tests.support.until import until


class Bench:
    """A spool with a tree, whose disk can hang or fail."""

    def __init__(self, folder: Path) -> None:
        self.records = records(12)
        producer = self.records[0].producer
        self.lock = threading.Lock()
        self.forwarded: list[SealedRecord] = []
        self.tree = ProducerTree(producer, hashed=True)
        self.segment = SpoolSegment.create(folder, producer=producer, topic="audit-events", source="/production/shop")
        self.spool = OneStreamSpool(
            self.segment,
            lock=self.lock,
            queue=self.forwarded,
            tree=self.tree,
            room=Room(lock=self.lock, max_events=1_000, max_bytes=1 << 20),
        )
        self.gate, self.entered = threading.Event(), threading.Event()
        self.gate.set()
        self.error: SpoolError | None = None
        append = self.segment.append

        def commit(batch: Sequence[SealedRecord], *, settled_below: int, tree: TreeState | None) -> None:
            self.entered.set()
            assert self.gate.wait(60)
            if self.error is not None:
                raise self.error
            append(batch, settled_below=settled_below, tree=tree)

        self.segment.append = commit  # type: ignore[method-assign, assignment]

    def add(self, batch: Sequence[SealedRecord]) -> None:
        with self.lock:
            for record in batch:
                self.spool.add(record)

    def require_complete_tree(self) -> None:
        frontier = Frontier()
        for record in self.records:
            frontier.append(leaf_hash(record.value))
        state = self.tree.state()
        assert state is not None
        assert (state.size, state.frontier) == (12, frontier.to_bytes())
        unsigned = self.tree.unsigned()
        assert unsigned is not None
        assert (unsigned.size, unsigned.frontier) == (12, frontier.to_bytes())
        assert unsigned.has_interval


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    parts = Bench(tmp_path)
    yield parts
    parts.gate.set()
    parts.spool.close()


def test_spooled_records_are_hashed(bench: Bench) -> None:
    bench.add(bench.records)

    until(lambda: len(bench.forwarded) == 12)
    bench.require_complete_tree()


def test_records_that_the_disk_rejects_are_hashed(bench: Bench) -> None:
    bench.error = SpoolError("disk full")
    bench.add(bench.records)

    until(lambda: len(bench.forwarded) == 12)
    bench.require_complete_tree()


def test_records_after_a_hanging_commit_are_hashed(bench: Bench) -> None:
    bench.gate.clear()
    bench.add(bench.records[:1])
    assert bench.entered.wait(30)
    # These never reach the spool thread.
    bench.add(bench.records[1:])

    bench.spool.stop(0.1)

    assert bench.forwarded == bench.records
    bench.require_complete_tree()


def test_records_in_a_commit_may_not_be_signed(bench: Bench) -> None:
    bench.gate.clear()
    bench.add(bench.records)
    assert bench.entered.wait(30)

    state, unsigned = bench.tree.state(), bench.tree.unsigned()
    assert state is not None
    assert unsigned is not None
    assert (state.size, unsigned.size, bench.tree.sizes()) == (12, 0, (0, 0))

    bench.gate.set()
    until(lambda: len(bench.forwarded) == 12)
    bench.require_complete_tree()


def test_thread_that_met_a_bug_hides_no_record(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_settled_below: int) -> None:
        message = "a bug"
        raise RuntimeError(message)

    monkeypatch.setattr(bench.segment, "first_wanted_leaf", crash)
    bench.add(bench.records[:5])
    until(lambda: not bench.spool.is_accepting)
    bench.add(bench.records[5:])

    bench.spool.stop(30)

    assert bench.forwarded == bench.records
    bench.require_complete_tree()
