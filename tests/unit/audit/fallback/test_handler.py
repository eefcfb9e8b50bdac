"""The handler stores what Kafka does not accept, loses nothing when the store fails, and knows what waits for replay."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from telemetry.audit.fallback.backlog import listed
from telemetry.audit.receipt import Receipt
from telemetry.exceptions import RecordTooLargeError, StorageUnreachableError
from telemetry.format.objects.fallback_object import decode_object
from tests.support.leftovers import records, stored
from tests.support.memory_store import MemoryStore
from tests.support.replay_parts import TOPIC, handler_on, ledger
from tests.support.until import PATIENCE, until


class GatedStore(MemoryStore):
    """A store whose writes wait for a gate, and fail as long as they should."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.writes = 0
        self.failure: Exception | None = None
        self.before = self._meet

    def _meet(self, operation: str, _name: str) -> None:
        if operation == "put":
            self.writes += 1
            assert self.gate.wait(PATIENCE)
            if self.failure is not None:
                raise self.failure


def test_object_stored_during_a_listing_is_kept() -> None:
    store, batch = MemoryStore(), records(4)
    with handler_on(store) as handler:
        handler.add(batch[:2], reason="unavailable")
        assert handler.flush(60)
        before = sorted(store.objects)

        def listing() -> Iterator[str]:
            handler.add(batch[2:], reason="unavailable")
            assert handler.flush(60)
            yield from before

        handler.keep_only(listing())
        assert handler.backlog()[0] == 2
        handler.keep_only(name for name in sorted(store.objects) if name not in before)
        assert handler.backlog()[:2] == (1, 2)
        handler.keep_only(())
        assert handler.is_drained


def test_only_refused_records_ask_for_the_replay() -> None:
    wanted, batch = threading.Event(), records(2)
    with handler_on(MemoryStore(), replay_wanted=wanted) as handler:
        handler.add(batch[:1], reason="unavailable")
        assert handler.flush(60)
        assert not wanted.is_set()

        handler.reject(batch[1:], RecordTooLargeError("too large"))
        assert not wanted.is_set()
        assert handler.flush(60)

    assert wanted.is_set()


def test_batches_are_merged_by_bytes_or_seconds() -> None:
    store, batch = MemoryStore(), records(400, size=500)
    size = sum(record.size for record in batch)
    with handler_on(store, max_bytes=size // 4) as handler:
        for record in batch:
            handler.add([record], reason="unavailable")
        assert handler.flush(60)
    objects = [decode_object(data) for data in store.objects.values()]
    assert 4 <= len(objects) <= 6
    assert sum(opened.header.count for opened in objects) == 400

    by_time = MemoryStore()
    with handler_on(by_time, seconds=0.2) as handler:
        for record in batch:
            handler.add([record], reason="unavailable")
        until(lambda: len(handler) == 0)
    assert len(by_time.objects) <= 3


def test_records_come_back_while_nothing_is_stored() -> None:
    store, batch = MemoryStore(), records(5)
    with handler_on(store) as handler:
        handler.add(batch[:2], reason="unavailable")
        handler.add(batch[2:], reason="unavailable")

        assert handler.take_back() == batch
        assert len(handler) == 0
        assert handler.take_back() == []
    assert store.objects == {}


def test_records_stay_while_an_object_waits() -> None:
    store, batch = MemoryStore(), records(4)
    with handler_on(store) as handler:
        handler.add(batch[:2], reason="unavailable")
        assert handler.flush(60)
        handler.add(batch[2:], reason="unavailable")
        assert handler.take_back() is None

        (name,) = store.objects
        handler.forget(name)

        assert handler.take_back() == batch[2:]


def test_records_stay_while_an_object_is_written() -> None:
    store = GatedStore()
    store.gate.clear()
    with handler_on(store, seconds=0.0) as handler:
        handler.add(records(2), reason="unavailable")
        until(lambda: store.writes == 1)

        assert handler.take_back() is None
        store.gate.set()
        until(lambda: not handler.is_drained)


def test_records_wait_for_a_dead_process() -> None:
    store, batch = MemoryStore(), records(6)
    name = stored(store, batch[:3])
    with handler_on(store) as handler:
        handler.queue_after(listed(store, TOPIC))
        handler.add(batch[3:], reason="backlog")

        assert handler.take_back() is None
        assert handler.backlog()[:3] == (1, 3, len(store.objects[name]))
        handler.forget(name)
        assert handler.take_back() == batch[3:]


def test_failing_store_keeps_the_records(caplog: pytest.LogCaptureFixture) -> None:
    store, batch = GatedStore(), records(3)
    store.failure = StorageUnreachableError("away")
    with caplog.at_level(logging.WARNING), handler_on(store, seconds=0.0) as handler:
        handler.add(batch, reason="unavailable")
        until(lambda: store.writes > 2)
        assert len(handler) == 3
        assert store.objects == {}

        store.failure = None
        until(lambda: not handler.is_drained)

    (data,) = store.objects.values()
    assert [record.sequence for record in decode_object(data).records] == [0, 1, 2]
    assert [line.partition(":")[0] for line in caplog.messages] == [
        "the fallback store is not accepting events; they wait in memory and are tried again",
        "the fallback store is accepting events again",
    ]


def test_failed_object_can_be_taken_back() -> None:
    store, batch = GatedStore(), records(4)
    store.failure = StorageUnreachableError("away")
    with handler_on(store, seconds=0.0) as handler:
        handler.add(batch[:2], reason="unavailable")
        until(lambda: store.writes > 1)
        handler.add(batch[2:], reason="unavailable")
        taken: list[object] = []

        def take() -> bool:
            # None while an attempt is running.
            part = handler.take_back()
            taken.extend(part or ())
            return part is not None

        until(take)
        assert taken == batch


def test_store_with_a_bug_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    store = GatedStore()
    store.failure = KeyError("secret")
    with caplog.at_level(logging.ERROR), handler_on(store, seconds=0.0) as handler:
        handler.add(records(1), reason="unavailable")
        until(lambda: store.writes > 1)
        store.failure = None
        until(lambda: not handler.is_drained)

    assert "unexpected KeyError (bug in the store provider)" in caplog.text
    assert "secret" not in caplog.text


def test_flush_gives_up_after_its_time() -> None:
    store = GatedStore()
    store.failure = StorageUnreachableError("away")
    with handler_on(store) as handler:
        handler.add(records(2), reason="unavailable")

        assert not handler.flush(0.1)
        store.failure = None
        assert handler.flush(PATIENCE)


def test_close_returns_what_is_in_no_object() -> None:
    store, batch = GatedStore(), records(4)
    store.failure = StorageUnreachableError("away")
    with handler_on(store, seconds=0.0) as handler:
        handler.add(batch[:2], reason="unavailable")
        until(lambda: store.writes > 0)
        handler.add(batch[2:], reason="unavailable")

        assert handler.close() == batch


def test_pause_lets_records_gather() -> None:
    store, batch = GatedStore(), records(3)
    with handler_on(store, seconds=0.0) as handler:
        handler.pause_new_objects(3_600.0)
        handler.add(batch, reason="unavailable")
        assert handler.take_back() == batch
        assert store.writes == 0

        handler.pause_new_objects(0.0)
        handler.add(batch, reason="unavailable")
        until(lambda: store.writes == 1)


def test_records_taken_back_are_not_settled_twice() -> None:
    store, batch, books = GatedStore(), records(2), ledger()
    for record in batch:
        record.receipt = Receipt(event_id=record.event_id, producer=record.producer, sequence=record.sequence or 0)
    store.gate.clear()
    with handler_on(store, seconds=0.0, books=books) as handler:
        handler.add(batch, reason="unavailable")
        until(lambda: store.writes == 1)

        # The store hangs: the shutdown takes the records back, and the end of the pipeline settles them.
        assert handler.close() == batch
        store.gate.set()

        until(lambda: not handler.is_drained, what="the late write")
        assert books.counts.stored == 0


def test_stored_records_are_settled() -> None:
    store, batch, books = GatedStore(), records(2), ledger()
    for record in batch:
        record.receipt = Receipt(event_id=record.event_id, producer=record.producer, sequence=record.sequence or 0)
    with handler_on(store, books=books) as handler:
        handler.add(batch, reason="unavailable")
        assert handler.flush(PATIENCE)

        until(lambda: books.counts.stored == 2)
        (name,) = store.objects
        assert [record.receipt.wait_delivered(PATIENCE).fallback_object for record in batch if record.receipt] == [
            name
        ] * 2
