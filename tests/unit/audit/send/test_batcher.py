"""Checks the two sides of the batcher across threads; its rules are in tests/property."""

from __future__ import annotations

import threading

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.batcher import AuditBatcher
from tests.support.leftovers import records

LONG = 30.0


def _taken_in_thread(batcher: AuditBatcher) -> tuple[threading.Thread, list[list[SealedRecord]]]:
    batches: list[list[SealedRecord]] = []
    thread = threading.Thread(target=lambda: batches.append(batcher.take(LONG)))
    thread.start()
    return thread, batches


def test_full_batch_wakes_the_sender() -> None:
    lock = threading.Lock()
    batcher = AuditBatcher(lock=lock, max_bytes=1, max_delay=LONG)
    thread, batches = _taken_in_thread(batcher)
    (record,) = records(1)

    with lock:
        batcher.add(record)

    thread.join(LONG / 2)
    assert batches == [[record]]


def test_old_batch_is_taken_after_its_delay() -> None:
    batcher = AuditBatcher(lock=threading.Lock(), max_bytes=1 << 30, max_delay=0.05)
    thread, batches = _taken_in_thread(batcher)
    batch = records(2)

    batcher.extend(batch)

    thread.join(LONG / 2)
    assert batches == [batch]


def test_wake_returns_an_empty_batch() -> None:
    batcher = AuditBatcher(lock=threading.Lock(), max_bytes=1 << 30, max_delay=LONG)
    thread, batches = _taken_in_thread(batcher)

    batcher.wake()

    thread.join(LONG / 2)
    assert batches == [[]]


def test_many_threads_keep_each_stream_in_order() -> None:
    lock = threading.Lock()
    batcher = AuditBatcher(lock=lock, max_bytes=2_000, max_delay=0.001)
    streams = [records(500) for _ in range(4)]
    done = threading.Event()

    def put(stream: list[SealedRecord]) -> None:
        for record in stream:
            with lock:
                batcher.add(record)

    taken: list[SealedRecord] = []

    def take() -> None:
        while not done.is_set() or len(batcher):
            taken.extend(batcher.take(0.01))

    taker = threading.Thread(target=take)
    putters = [threading.Thread(target=put, args=(stream,)) for stream in streams]
    for thread in (taker, *putters):
        thread.start()
    for thread in putters:
        thread.join(LONG)
    done.set()
    taker.join(LONG)

    for stream in streams:
        assert [record for record in taken if record.producer == stream[0].producer] == stream
    assert len(taken) == 2_000
