"""A replay that somebody waits for empties the store, or says why it could not."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from telemetry.audit.record import SealedRecord
from telemetry.audit.replay.once import drain_store
from telemetry.exceptions import (
    RecordTooLargeError,
    StorageAccessDeniedError,
    StorageError,
    StorageUnreachableError,
    TransportError,
)
from telemetry.storage import Lock
from tests.support.leftovers import records, stored
from tests.support.replay_parts import TOPIC, ReplayBench, SwitchedLock


@pytest.fixture
def bench() -> ReplayBench:
    return ReplayBench()


def _drain(bench: ReplayBench, *, rejected: bool = False) -> None:
    drain_store(bench.store, bench.replayer, topic=TOPIC, owner="test", rejected=rejected)


def test_store_is_emptied(bench: ReplayBench) -> None:
    batch = records(4)
    stored(bench.store, batch[:2])
    stored(bench.store, batch[2:])

    _drain(bench)

    assert bench.kafka.sequences == [0, 1, 2, 3]
    assert bench.below(TOPIC) == []
    assert not bench.kafka.is_open


def test_objects_stored_meanwhile_are_replayed_too(bench: ReplayBench) -> None:
    batch = records(4)
    stored(bench.store, batch[:2])

    def store_more(record: SealedRecord) -> None:
        if record.sequence == 1:
            stored(bench.store, batch[2:])

    bench.kafka.refuse = store_more

    _drain(bench)

    assert bench.kafka.sequences == [0, 1, 2, 3]


def test_kafka_away_is_raised(bench: ReplayBench) -> None:
    name = stored(bench.store, records(2))
    bench.kafka.away = TransportError("away")

    with pytest.raises(TransportError, match="away"):
        _drain(bench)

    assert bench.below(TOPIC) == [name]


def test_outage_in_the_middle_is_raised(bench: ReplayBench) -> None:
    name = stored(bench.store, records(2))
    bench.kafka.refuse = lambda record: TransportError("no answer") if record.sequence == 1 else None

    with pytest.raises(TransportError, match="no answer"):
        _drain(bench)

    assert bench.below(TOPIC) == [name]
    assert not bench.kafka.is_open


def test_another_process_replays(bench: ReplayBench) -> None:
    stored(bench.store, records(2))
    with (
        bench.store.lock(f"replay-{TOPIC}", owner="other", seconds=60.0),
        pytest.raises(StorageError, match="another process replays"),
    ):
        _drain(bench)
    assert bench.kafka.topic == []


def test_lost_lock_is_not_success(bench: ReplayBench, monkeypatch: pytest.MonkeyPatch) -> None:
    name = stored(bench.store, records(2))
    lock = SwitchedLock()
    monkeypatch.setattr(bench.store, "lock", lambda *_args, **_named: nullcontext(Lock(lock)))

    def lose_lock(operation: str, _name: str) -> None:
        if operation == "get":
            lock.is_held = False

    bench.store.before = lose_lock

    with pytest.raises(StorageError, match="lock on the store was lost"):
        _drain(bench)

    assert bench.kafka.topic == []
    assert bench.below(TOPIC) == [name]


def test_refused_records_do_not_stop_the_rest(bench: ReplayBench) -> None:
    stored(bench.store, records(4))
    bench.kafka.refuse = lambda record: RecordTooLargeError("large") if record.sequence == 2 else None

    _drain(bench)

    assert set(bench.kafka.sequences) == {0, 1, 3}
    assert bench.ledger.counts.rejected == 1

    bench.kafka.refuse = lambda _record: None
    _drain(bench, rejected=True)
    assert set(bench.kafka.sequences) == {0, 1, 2, 3}
    assert bench.below("rejected") == []


def test_unreadable_object_is_not_success(bench: ReplayBench) -> None:
    name = stored(bench.store, records(2))

    def deny(operation: str, read: str) -> None:
        if operation == "get" and read == name:
            raise StorageAccessDeniedError(read)

    bench.store.before = deny

    with pytest.raises(StorageAccessDeniedError, match=name):
        _drain(bench)


def test_failing_store_is_raised(bench: ReplayBench) -> None:
    stored(bench.store, records(2))

    def fail(operation: str, name: str) -> None:
        if operation == "get" and name.startswith(TOPIC):
            raise StorageUnreachableError(name)

    bench.store.before = fail

    with pytest.raises(StorageUnreachableError):
        _drain(bench)
    assert not bench.kafka.is_open
