"""Records that nobody can judge yet wait in memory and on disk, and come back once."""

from __future__ import annotations

import hashlib

from telemetry.reader.entry import Place
from telemetry.reader.verify.unproven.stream_name import StreamName
from telemetry.reader.verify.unproven.waiting import WaitingRecord, WaitingRecords

PLACES = (Place("audit-events", 3, 2**40), Place("audit-events", None, 7, "object.jsonl"), None)


def stream(number: int, source: str = "/production/payments") -> StreamName:
    return StreamName.of(f"0198c0de-0000-7000-8000-{number:012x}", source)


def record(number: int) -> WaitingRecord:
    leaf = hashlib.sha256(b"%d" % number).digest()
    return WaitingRecord(number * 10**9, leaf, PLACES[number % 3])


def filled(*, memory: int, producers: int = 5, each: int = 40) -> WaitingRecords:
    waiting = WaitingRecords(memory=memory)
    for number in range(each):
        for owner in range(producers):
            waiting.add(stream(owner), *record(number))
    return waiting


def test_records_come_back_from_memory_and_file() -> None:
    for memory in (1 << 20, 1_000):
        waiting = filled(memory=memory)
        assert waiting.count == 200
        assert sorted(waiting.take(stream(3))) == [record(number) for number in range(40)]
        assert list(waiting.take(stream(3))) == []
        assert list(waiting.take(stream(9))) == []
        assert waiting.count == 160
        waiting.add(stream(3), *record(99))
        assert list(waiting.take(stream(3))) == [record(99)]
        waiting.close()


def test_full_disk_budget_drops_and_counts() -> None:
    waiting = WaitingRecords(memory=500, disk=2_000)
    for number in range(100):
        waiting.add(stream(number % 3), *record(number))
    assert waiting.dropped > 0
    assert waiting.count + waiting.dropped == 100
    assert len([record for owner in range(3) for record in waiting.take(stream(owner))]) == 100 - waiting.dropped
    assert waiting.is_empty
    waiting.close()


def test_newest_records_stay() -> None:
    waiting = filled(memory=1 << 20)
    newest = list(waiting.newest(256 * 2))
    assert {name for name, _ in newest} <= {stream(owner) for owner in range(5)}
    assert newest
    assert waiting.count == 200


def test_sources_of_one_producer_are_apart() -> None:
    for memory in (1 << 20, 300):
        waiting, other = WaitingRecords(memory=memory), stream(1, "/production/marketing")
        for number in range(20):
            waiting.add(stream(1), *record(number))
            waiting.add(other, *record(number + 100))
            waiting.add(stream(2), *record(number + 200))
        everything = [(stream(1), record(number)) for number in range(20)]
        everything += [(other, record(number + 100)) for number in range(20)]
        assert sorted(waiting.of_producer(other.producer), key=str) == sorted(everything, key=str)
        assert sorted(waiting.take(other)) == [record(number + 100) for number in range(20)]
        assert sorted(waiting.take(stream(1))) == [record(number) for number in range(20)]
        assert waiting.count == 20
        waiting.close()
