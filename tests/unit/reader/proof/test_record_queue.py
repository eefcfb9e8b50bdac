from __future__ import annotations

import random
import tracemalloc

from telemetry.exceptions import KeyNotFoundError, MalformedRecordError, TamperedError
from telemetry.reader import DamagedRecord, Place, Proven, RawRecord
from telemetry.reader.entry import EndedRun, RedactedEvent, SourceRecord
from telemetry.reader.proof.places import StreamPlace
from telemetry.reader.proof.record_queue import HeldRecord, RecordQueue


def _held(number: int, size: int = 2_000) -> HeldRecord:
    place = Place("topic", number % 3, number, None if number % 2 else "an object")
    raw = RawRecord(b"key", b"%d" % number * size, place, 1.5, (("name", b"content"),), 2.5)
    return HeldRecord(raw, StreamPlace("producer", "/a/b", number, bytes(32)) if number % 5 else None, 0.25)


def test_order_and_content_stay() -> None:
    queue = RecordQueue(memory=1 << 20)
    chance = random.Random(1)  # noqa: S311 - the same order in each run
    written, taken = [_held(number) for number in range(3_000)], []
    for record in written:
        queue.append(record)
        while chance.random() < 0.3 and queue.first() is not None:
            taken.append(queue.take())
    while queue.first() is not None:
        taken.append(queue.take())

    assert taken == written


def test_memory_is_bounded() -> None:
    queue = RecordQueue(memory=2 << 20)
    tracemalloc.start()
    try:
        for number in range(3_000):
            queue.append(_held(number, 2_500))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 12 << 20
    assert not queue.is_full
    queue.close()
    assert queue.first() is None


def test_is_full_while_the_file_is() -> None:
    queue = RecordQueue(memory=0, disk=0)
    for number in range(3_000):
        queue.append(_held(number, 500))
    assert queue.is_full

    while queue.first() is not None:
        queue.take()
    assert not queue.is_full


def test_damaged_records_come_back() -> None:
    class SpecialError(TamperedError):
        """A class that the queue does not know."""

    queue = RecordQueue(memory=0)
    raw = RawRecord(None, b"x" * (1 << 20), Place("file", None, 7))
    errors = [
        MalformedRecordError("not a line"),
        TamperedError("altered"),
        KeyNotFoundError("no key opens it"),
        SpecialError("more special"),
    ]
    for error in errors:
        queue.append(HeldRecord(DamagedRecord(raw.place, error, raw), None, 0.0))
    came = []
    while queue.first() is not None:
        came.append(queue.take().raw)

    assert all(isinstance(entry, DamagedRecord) and entry.raw == raw for entry in came)
    kinds = [type(entry.error) for entry in came if isinstance(entry, DamagedRecord)]
    # At least the first one was never written.
    assert kinds[1:3] == [TamperedError, KeyNotFoundError]
    assert [str(entry.error) for entry in came if isinstance(entry, DamagedRecord)] == [str(error) for error in errors]


def test_records_without_values_come_back() -> None:
    place = Place("topic", 1, 7)
    given: list[SourceRecord] = [
        RawRecord(b"key", b"x" * (1 << 20), place),
        RawRecord(b"key", b"x" * (1 << 20), place),
        RedactedEvent(
            source="/a/b",
            producer="producer",
            sequence=3,
            leaf=bytes(32),
            place=place,
            reason="asked",
            request="r-1",
            event_id="id",
            proven=Proven.PENDING,
        ),
        EndedRun(source="/a/b", producer="producer", first=4, end=6, leaves=bytes(64), place=place, policy="7y"),
        EndedRun(source="/a/b", producer="producer", first=6, end=9, leaves=None, place=place, policy="7y"),
        DamagedRecord(place, TamperedError("altered"), RawRecord(None, None, place), is_vouched=True),
        RawRecord(b"key", b"x" * (1 << 20), place),
    ]
    queue = RecordQueue(memory=0)
    for record in given:
        queue.append(HeldRecord(record, None, 0.0))
    came = []
    while queue.first() is not None:
        came.append(queue.take().raw)

    assert came[:5] == given[:5]
    assert isinstance(came[5], DamagedRecord)
    assert came[5].is_vouched
