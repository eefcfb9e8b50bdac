"""What the batcher's two sides do to each other across threads; its rules are in tests/property."""

from __future__ import annotations

import threading

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.batcher import AuditBatcher
from tests.support.leftovers import records

LONG = 30.0


def _taken_in_thread(batcher: AuditBatcher) -> tuple[threading.Thread, list[list[SealedRecord]]]:
    found: list[list[SealedRecord]] = []
    thread = threading.Thread(target=lambda: found.append(batcher.take(LONG)))
    thread.start()
    return thread, found


def test_who_sleeps_is_woken_by_a_full_batch() -> None:
    lock = threading.Lock()
    batcher = AuditBatcher(lock=lock, max_bytes=1, max_delay=LONG)
    thread, found = _taken_in_thread(batcher)
    (record,) = records(1)

    with lock:
        batcher.add(record)

    thread.join(LONG / 2)
    assert found == [[record]]


def test_who_sleeps_is_woken_for_the_first_record_and_takes_it_when_it_is_old_enough() -> None:
    batcher = AuditBatcher(lock=threading.Lock(), max_bytes=1 << 30, max_delay=0.05)
    thread, found = _taken_in_thread(batcher)
    made = records(2)

    batcher.extend(made)

    thread.join(LONG / 2)
    assert found == [made]


def test_who_sleeps_is_woken_for_the_end() -> None:
    batcher = AuditBatcher(lock=threading.Lock(), max_bytes=1 << 30, max_delay=LONG)
    thread, found = _taken_in_thread(batcher)

    batcher.wake()

    thread.join(LONG / 2)
    assert found == [[]]


def test_nothing_is_lost_or_reordered_between_many_threads_and_one_taker() -> None:
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
