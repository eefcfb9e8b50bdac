"""The retry worker replays when there is something to do, and lets the sender return to Kafka afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from telemetry.audit.fallback.handler import FallbackHandler
from telemetry.audit.replay import worker
from telemetry.audit.replay.worker import RetryWorker
from telemetry.exceptions import RecordTooLargeError, StorageUnreachableError, TransportError
from telemetry.format.objects.stored_name import SHELVES
from tests.support.fake_kafka import FakeKafka
from tests.support.leftovers import records, stored
from tests.support.memory_store import MemoryStore
from tests.support.replay_parts import TOPIC, handler_on, ledger, own_shop
from tests.support.until import PATIENCE, until


class Sender:
    """A sender that returns to Kafka when it may."""

    def __init__(self, handler: FallbackHandler) -> None:
        self._handler = handler
        self.hints = 0
        self.has_returned = threading.Event()

    def kafka_is_ready(self) -> None:
        self.hints += 1
        if self._handler.take_back() is not None:
            self.has_returned.set()


class Bench:
    def __init__(self, handler: FallbackHandler, store: MemoryStore, wanted: threading.Event) -> None:
        self.store = store
        self.kafka = FakeKafka()
        self.handler = handler
        self.sender = Sender(handler)
        self.ledger = ledger()
        self.worker = RetryWorker(
            store,
            topic=TOPIC,
            kafka=self.kafka,
            ledger=self.ledger,
            owner="test",
            max_rate=1e9,
            max_refusals=0,
            handler=handler,
            listener=self.sender,
            own=own_shop(store),
            wanted=wanted,
        )

    def is_empty(self) -> bool:
        return not any(name.startswith(f"{TOPIC}/") for name in self.store.objects)


@contextmanager
def bench_on(store: MemoryStore) -> Iterator[Bench]:
    wanted = threading.Event()
    with handler_on(store, seconds=0.01, replay_wanted=wanted) as handler:
        bench = Bench(handler, store, wanted)
        try:
            yield bench
        finally:
            bench.worker.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    with bench_on(MemoryStore()) as bench:
        yield bench


def test_objects_of_dead_processes_are_replayed(bench: Bench) -> None:
    stored(bench.store, records(3))

    bench.worker.start()

    until(bench.is_empty)
    until(lambda: not bench.kafka.is_open, what="the end of the turn")
    assert bench.kafka.sequences == [0, 1, 2]
    assert not any(
        name.startswith("locks/") and b'"released":false' in data for name, data in bench.store.objects.items()
    )


def test_idle_worker_opens_nothing(bench: Bench) -> None:
    looked = threading.Event()
    bench.store.before = lambda operation, _name: looked.set() if operation == "list" else None

    bench.worker.start()

    assert looked.wait(PATIENCE)
    bench.worker.close()
    assert bench.kafka.transports == []
    assert bench.store.objects == {}


def test_refused_record_wakes_an_idle_replay(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "SCAN_SECONDS", 10 * PATIENCE)
    looks = threading.Semaphore(0)
    bench.store.before = lambda operation, _name: looks.release() if operation == "list" else None
    bench.worker.start()
    for _ in SHELVES:
        assert looks.acquire(timeout=PATIENCE)

    bench.handler.reject(records(1), RecordTooLargeError("too large"))

    until(lambda: bench.kafka.sequences == [0])
    until(bench.is_empty)


def test_sender_returns_once_all_is_replayed(bench: Bench) -> None:
    bench.handler.add(records(3), reason="outage")
    until(lambda: not bench.is_empty())
    bench.worker.fallback_entered("unreachable")

    bench.worker.start()

    assert bench.sender.has_returned.wait(PATIENCE)
    assert bench.kafka.sequences == [0, 1, 2]


def test_outage_is_waited_out(bench: Bench) -> None:
    bench.kafka.away = TransportError("away")
    bench.handler.add(records(3), reason="outage")
    bench.worker.fallback_entered("unreachable")
    bench.worker.start()
    until(lambda: len(bench.kafka.transports) > 1, what="a second attempt")
    assert bench.sender.hints == 0

    bench.kafka.away = None

    assert bench.sender.has_returned.wait(PATIENCE)


def test_object_replayed_by_another_process_is_forgotten(bench: Bench) -> None:
    bench.handler.add(records(3), reason="outage")
    until(lambda: bench.handler.backlog()[0] == 1)
    # The other process holds the lock, and has brought our object to the topic.
    with bench.store.lock(f"replay-{TOPIC}", owner="other", seconds=60.0) as lock:
        assert lock
        for name in list(bench.store.objects):
            if name.startswith(f"{TOPIC}/"):
                bench.store.delete(name)
        bench.worker.fallback_entered("unreachable")
        bench.worker.start()

        assert bench.sender.has_returned.wait(PATIENCE)


class LateStore(MemoryStore):
    """The write of an event's object returns only after the object was replayed."""

    def put(self, name: str, data: bytes) -> None:
        super().put(name, data)
        if name.startswith(f"{TOPIC}/"):
            until(lambda: name not in self.objects, what="the replay")


def test_object_replayed_before_its_write_returned() -> None:
    with bench_on(LateStore()) as bench:
        bench.handler.add(records(3), reason="outage")
        until(lambda: not bench.is_empty())
        bench.worker.fallback_entered("outage")

        bench.worker.start()

        assert bench.sender.has_returned.wait(PATIENCE)


def test_failing_store_is_tried_again(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    stored(bench.store, records(3))
    failures = iter(range(3))

    def fail(operation: str, name: str) -> None:
        if operation == "list" and next(failures, None) is not None:
            raise StorageUnreachableError(name)

    bench.store.before = fail
    bench.worker.start()
    bench.worker.fallback_entered("unreachable")

    until(bench.is_empty)
    assert sum("the replay tries again" in line for line in caplog.messages) == 1


def test_bug_in_the_store_is_survived(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    stored(bench.store, records(3))
    failures = iter(range(1))

    def fail(operation: str, _name: str) -> None:
        if operation == "list" and next(failures, None) is not None:
            raise KeyError

    bench.store.before = fail
    bench.worker.start()

    until(bench.is_empty)
    assert "the replay failed; it tries again" in caplog.messages


def test_close_ends_a_wait_for_kafka(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.kafka.acknowledges.clear()
    name = stored(bench.store, records(3))
    bench.worker.start()
    until(lambda: any(transport.sent for transport in bench.kafka.transports), what="the sending")

    bench.worker.close(PATIENCE)

    assert not bench.worker._worker.is_alive
    assert name in bench.store.objects, "an object that is not acknowledged stays"
    assert caplog.messages == [], "the wait ended because the transport failed, not by the patience of the fake"


def test_close_before_start(bench: Bench) -> None:
    bench.worker.close()
