"""One pass over the store sends objects in order, deletes what is acknowledged, and says how it ended."""

from __future__ import annotations

import itertools

import pytest

from telemetry.audit.record import SealedRecord
from telemetry.audit.replay import replay_pass
from telemetry.audit.replay.pass_result import PassResult
from telemetry.exceptions import StorageUnreachableError, TransportError
from tests.support.leftovers import records, stored
from tests.support.replay_parts import TOPIC, ReplayBench, SwitchedLock, any_turn


@pytest.fixture
def bench() -> ReplayBench:
    return ReplayBench()


def test_empty_store_gives_empty(bench: ReplayBench) -> None:
    bench.replayer.link.connect()

    assert bench.replayer.run_pass(any_turn()) is PassResult.EMPTY


def test_objects_are_sent_and_deleted(bench: ReplayBench) -> None:
    batch = records(6)
    names = [stored(bench.store, batch[:3]), stored(bench.store, batch[3:])]
    bench.replayer.link.connect()

    assert bench.replayer.run_pass(any_turn()) is PassResult.DONE

    assert bench.kafka.sequences == list(range(6))
    assert bench.below(TOPIC) == []
    assert bench.done == [(name, 3) for name in names]
    assert bench.ledger.counts.replayed == 6
    assert [headers for _, headers in bench.kafka.topic[::3]] == [
        [("telemetry-replay", name.encode())] for name in names
    ]
    assert bench.replayer.run_pass(any_turn()) is PassResult.EMPTY


def test_outage_keeps_what_is_not_acknowledged(bench: ReplayBench) -> None:
    batch = records(6)
    first, second = stored(bench.store, batch[:3]), stored(bench.store, batch[3:])
    bench.kafka.refuse = lambda record: TransportError("away") if record.sequence == 3 else None
    bench.replayer.link.connect()

    assert bench.replayer.run_pass(any_turn()) is PassResult.OUTAGE

    assert bench.done == [(first, 3)]
    assert bench.below(TOPIC) == [second]
    assert str(bench.replayer.link.error) == "away"
    assert not bench.kafka.is_open


def test_failing_store_keeps_the_window_finished(bench: ReplayBench) -> None:
    batch = records(40)
    for start in range(0, 40, 2):
        stored(bench.store, batch[start : start + 2])
    reads = itertools.count(1)

    def fail_late(operation: str, name: str) -> None:
        if operation == "get" and next(reads) == 15:
            raise StorageUnreachableError(name)

    bench.store.before = fail_late
    bench.replayer.link.connect()
    with pytest.raises(StorageUnreachableError):
        bench.replayer.run_pass(any_turn())

    sent = len(bench.kafka.topic)
    assert sent > 0
    assert len(bench.below(TOPIC)) == 20 - sent // 2
    assert bench.replayer.run_pass(any_turn()) is PassResult.DONE
    assert bench.kafka.sequences == list(range(40))


def test_failed_deletion_is_sent_again(bench: ReplayBench) -> None:
    stored(bench.store, records(2))
    deletions = itertools.count(1)

    def fail_once(operation: str, name: str) -> None:
        if operation == "delete" and next(deletions) == 1:
            raise StorageUnreachableError(name)

    bench.store.before = fail_once
    bench.replayer.link.connect()
    with pytest.raises(StorageUnreachableError):
        bench.replayer.run_pass(any_turn())

    assert bench.done == []
    assert bench.replayer.run_pass(any_turn()) is PassResult.DONE
    assert bench.kafka.sequences == [0, 1, 0, 1]
    assert bench.below(TOPIC) == []


def test_lock_lost_before_the_first_object(bench: ReplayBench) -> None:
    name = stored(bench.store, records(2))
    lock = SwitchedLock()
    lock.is_held = False
    bench.replayer.link.connect()

    assert bench.replayer.run_pass(lock.turn()) is PassResult.INTERRUPTED

    assert bench.kafka.topic == []
    assert bench.below(TOPIC) == [name]


def test_lock_lost_after_sending_deletes_nothing(bench: ReplayBench) -> None:
    name = stored(bench.store, records(2))
    lock = SwitchedLock()

    def lose_lock(_record: SealedRecord) -> None:
        lock.is_held = False

    bench.kafka.refuse = lose_lock
    bench.replayer.link.connect()

    assert bench.replayer.run_pass(lock.turn()) is PassResult.INTERRUPTED

    assert bench.kafka.sequences == [0, 1]
    assert bench.below(TOPIC) == [name]


def test_stop_finishes_what_is_acknowledged(bench: ReplayBench) -> None:
    batch = records(4)
    first, second = stored(bench.store, batch[:2]), stored(bench.store, batch[2:])
    lock = SwitchedLock()

    def stop_after_first(record: SealedRecord) -> None:
        lock.is_stopping = lock.is_stopping or record.sequence == 1

    bench.kafka.refuse = stop_after_first
    bench.replayer.link.connect()

    assert bench.replayer.run_pass(lock.turn()) is PassResult.INTERRUPTED

    assert bench.done == [(first, 2)]
    assert bench.below(TOPIC) == [second]


def test_slow_kafka_gets_a_window_of_objects(bench: ReplayBench) -> None:
    batch = records(6)
    for start in range(0, 6, 2):
        stored(bench.store, batch[start : start + 2])
    bench.kafka.is_slow = True
    sent_at_first_answer: list[int] = []

    def count_sent(_record: SealedRecord) -> None:
        sent_at_first_answer.append(len(bench.kafka.transports[0].sent))

    bench.kafka.refuse = count_sent
    bench.replayer.link.connect()

    assert bench.replayer.run_pass(any_turn()) is PassResult.DONE

    assert sent_at_first_answer[0] == 6
    assert bench.kafka.sequences == list(range(6))


def test_window_is_bounded_in_bytes(bench: ReplayBench, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = records(6)
    size = 0
    for start in range(0, 6, 2):
        size = len(bench.store.objects[stored(bench.store, batch[start : start + 2])])
    # Two objects are larger than the window: the first is finished before the third is sent.
    monkeypatch.setattr(replay_pass, "_WINDOW_BYTES", 2 * size - 100)
    bench.kafka.is_slow = True
    sent_at_first_answer: list[int] = []

    def count_sent(_record: SealedRecord) -> None:
        sent_at_first_answer.append(len(bench.kafka.transports[0].sent))

    bench.kafka.refuse = count_sent
    bench.replayer.link.connect()

    assert bench.replayer.run_pass(any_turn()) is PassResult.DONE

    assert sent_at_first_answer[0] == 4
    assert bench.kafka.sequences == list(range(6))


def test_failing_store_finishes_an_open_window(bench: ReplayBench) -> None:
    batch = records(6)
    names = [stored(bench.store, batch[start : start + 2]) for start in range(0, 6, 2)]

    def fail_last(operation: str, name: str) -> None:
        if operation == "get" and name == names[2]:
            raise StorageUnreachableError(name)

    bench.store.before = fail_last
    bench.kafka.is_slow = True
    bench.replayer.link.connect()

    with pytest.raises(StorageUnreachableError):
        bench.replayer.run_pass(any_turn())

    assert bench.done == [(name, 2) for name in names[:2]]
    assert bench.below(TOPIC) == names[2:]
