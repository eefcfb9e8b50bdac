"""Deletions run side by side, and each is recorded once it is done."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from telemetry.audit.fallback.backlog import WaitingObject, listed
from telemetry.audit.replay.deletions import DeletionQueue
from telemetry.audit.replay.outcomes import ObjectOutcomes
from telemetry.exceptions import StorageUnreachableError
from telemetry.system.worker_pool import WorkerPool
from tests.support.leftovers import records, stored
from tests.support.memory_store import MemoryStore
from tests.support.replay_parts import TOPIC, ledger


class Bench:
    def __init__(self, pool: WorkerPool) -> None:
        self.store = MemoryStore()
        self.done: list[tuple[str, int]] = []
        outcomes = ObjectOutcomes(ledger(), on_object=lambda name, events: self.done.append((name, events)))
        self.deletions = DeletionQueue(pool, self.store, outcomes)

    def objects(self, count: int) -> list[WaitingObject]:
        for _ in range(count):
            stored(self.store, records(2))
        return list(listed(self.store, TOPIC))


@pytest.fixture
def bench() -> Iterator[Bench]:
    with WorkerPool(4, name="test") as pool:
        yield Bench(pool)


def test_deleted_objects_are_recorded_in_order(bench: Bench) -> None:
    objects = bench.objects(10)
    for waiting in objects:
        bench.deletions.add(waiting, events=2)
    bench.deletions.wait_until_at_most(0)

    assert bench.done == [(waiting.name, 2) for waiting in objects]
    assert bench.store.objects == {}


def test_waiting_leaves_as_many_as_allowed(bench: Bench) -> None:
    gate = threading.Event()
    bench.store.before = lambda operation, _name: None if operation != "delete" else _pass(gate)
    objects = bench.objects(3)
    for waiting in objects:
        bench.deletions.add(waiting, events=2)

    bench.deletions.wait_until_at_most(3)
    assert (len(bench.deletions), bench.done) == (3, [])
    gate.set()
    bench.deletions.wait_until_at_most(0)
    assert len(bench.deletions) == 0


def _pass(gate: threading.Event) -> None:
    assert gate.wait(60)


def test_failure_is_raised_after_all_outcomes(bench: Bench) -> None:
    objects = bench.objects(3)

    def fail(operation: str, name: str) -> None:
        if operation == "delete" and name == objects[0].name:
            raise StorageUnreachableError(name)

    bench.store.before = fail
    for waiting in objects:
        bench.deletions.add(waiting, events=2)
    with pytest.raises(StorageUnreachableError):
        bench.deletions.wait_until_at_most(0)

    assert [name for name, _ in bench.done] == [waiting.name for waiting in objects[1:]]
    assert len(bench.deletions) == 0
