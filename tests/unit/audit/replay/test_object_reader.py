"""The reader yields valid objects in order, and quarantines, skips or blocks the others."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from telemetry.audit.fallback.backlog import WaitingObject
from telemetry.audit.record import SealedRecord
from telemetry.audit.replay.object_reader import ObjectReader
from telemetry.audit.replay.outcomes import ObjectOutcomes
from telemetry.audit.replay.quarantine import Quarantine
from telemetry.exceptions import StorageAccessDeniedError
from telemetry.format.proof.checkpoint import Checkpoint, sign_checkpoint
from telemetry.format.proof.checkpoint_message import encode_checkpoint_message
from telemetry.format.proof.merkle import Frontier
from telemetry.system.worker_pool import WorkerPool
from tests.support.leftovers import records, stored
from tests.support.memory_store import MemoryStore
from tests.support.replay_parts import TOPIC, ledger, own_shop
from tests.vectors.make_sealed_object import FixedSigner


class _Gone(ObjectOutcomes):
    def __init__(self) -> None:
        super().__init__(ledger())
        self.names: list[str] = []

    def gone(self, name: str) -> None:
        self.names.append(name)


class Bench:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.outcomes = _Gone()
        quarantine = Quarantine(self.store, topic=TOPIC)
        self.reader = ObjectReader(
            self.store, topic=TOPIC, own=own_shop(self.store), quarantine=quarantine, outcomes=self.outcomes
        )

    def read(self) -> list[tuple[str, list[int | None]]]:
        with WorkerPool(4, name="test") as pool:
            return [(waiting.name, [r.sequence for r in part]) for waiting, part in self.reader.read_all(pool)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_objects_come_in_order(bench: Bench) -> None:
    batch = records(9)
    late, early = stored(bench.store, batch[6:]), stored(bench.store, batch[:6])

    assert bench.read() == [(early, list(range(6))), (late, [6, 7, 8])]


def _checkpoint(producer: str, *, leaves: bytes) -> SealedRecord:
    made = Checkpoint.of(Frontier(), source="/production/shop", producer=producer, time="2026-01-31T12:00:00.000000Z")
    note = sign_checkpoint(made, FixedSigner())
    value = encode_checkpoint_message(made, note, event_id=producer)
    return SealedRecord.written(
        "c", producer=producer, sequence=None, key=producer.encode(), value=value, leaves=leaves
    )


def test_checkpoint_keeps_its_leaves(bench: Bench) -> None:
    batch = records(2)
    checkpoint = _checkpoint(batch[0].producer, leaves=b"\x01leaves")
    stored(bench.store, [*batch, checkpoint])
    with WorkerPool(1, name="test") as pool:
        ((_, part),) = list(bench.reader.read_all(pool))

    assert [record.leaves for record in part] == [b"", b"", b"\x01leaves"]


def test_records_keep_their_bytes(bench: Bench) -> None:
    batch = records(3)
    stored(bench.store, batch)
    with WorkerPool(1, name="test") as pool:
        ((_, part),) = list(bench.reader.read_all(pool))

    assert [(r.key, r.value, r.producer, r.sequence) for r in part] == [
        (r.key, r.value, r.producer, r.sequence) for r in batch
    ]


def test_damaged_object_is_quarantined(bench: Bench) -> None:
    batch = records(4)
    damaged, whole = stored(bench.store, batch[:2]), stored(bench.store, batch[2:])
    content = bench.store.objects[damaged] = bench.store.objects[damaged][:-1]

    assert bench.read() == [(whole, [2, 3])]
    assert bench.store.objects[f"quarantine/{damaged}"] == content
    assert bench.outcomes.names == [damaged]


def test_renamed_object_is_quarantined(bench: Bench) -> None:
    name = stored(bench.store, records(2))
    renamed = name.replace("-0-1.", "-5-6.")
    bench.store.objects[renamed] = bench.store.objects.pop(name)

    assert bench.read() == []
    assert f"quarantine/{renamed}" in bench.store.objects


def test_foreign_file_is_quarantined(bench: Bench) -> None:
    bench.store.objects[f"{TOPIC}/README.txt"] = b"not ours"

    assert bench.read() == []
    assert bench.store.objects == {f"quarantine/{TOPIC}/README.txt": b"not ours"}
    assert bench.outcomes.names == [f"{TOPIC}/README.txt"]


def test_object_replayed_meanwhile_is_gone(bench: Bench) -> None:
    name = stored(bench.store, records(2))

    def take_away(operation: str, read: str) -> None:
        if operation == "get":
            bench.store.objects.pop(read, None)

    bench.store.before = take_away

    assert bench.read() == []
    assert bench.outcomes.names == [name]


def test_unreadable_object_blocks_its_producer(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    batch, other = records(4), records(2)
    hidden = stored(bench.store, batch[:2])
    stored(bench.store, batch[2:])
    free = stored(bench.store, other)

    def deny(operation: str, name: str) -> None:
        if operation == "get" and name == hidden:
            raise StorageAccessDeniedError(name)

    bench.store.before = deny
    with caplog.at_level(logging.ERROR):
        assert [name for name, _ in bench.read()] == [free]
        assert [name for name, _ in bench.read()] == [free]
    assert sum(hidden in line for line in caplog.messages) == 1, "it is said once, not in every pass"
    with pytest.raises(StorageAccessDeniedError, match=hidden):
        bench.reader.require_all_readable()

    bench.store.before = lambda _operation, _name: None
    assert len(bench.read()) == 3
    bench.reader.require_all_readable()


def test_few_objects_are_read_ahead(bench: Bench) -> None:
    batch = records(40)
    for start in range(0, 40, 2):
        stored(bench.store, batch[start : start + 2])
    begun: list[str] = []
    bench.store.before = lambda operation, name: begun.append(name) if operation == "get" else None

    with WorkerPool(4, name="test") as pool:
        objects: Iterator[tuple[WaitingObject, object]] = bench.reader.read_all(pool)
        next(objects)
        assert len(begun) <= 5
        assert len(list(objects)) == 19
