"""The buffer says when an object is due, and cuts it by producer and size."""

from __future__ import annotations

import pytest

from telemetry.audit.fallback.object_buffer import ObjectBuffer
from telemetry.audit.record import SealedRecord
from telemetry.format.objects.fallback_object import decode_object
from telemetry.format.objects.stored_name import parse_object_name
from telemetry.format.proof.leaves import from_text
from tests.support.leftovers import records


def _buffer(*, max_bytes: int = 1 << 20, max_seconds: float = 5.0) -> ObjectBuffer:
    return ObjectBuffer(topic="t", max_bytes=max_bytes, max_seconds=max_seconds)


def test_due_by_time_of_the_first_record() -> None:
    buffer = _buffer()
    batch = records(2)
    buffer.add(batch[:1], reason="unavailable", now=100.0)
    buffer.add(batch[1:], reason="unavailable", now=104.0)

    assert buffer.seconds_until_due(104.0) == 1.0
    assert buffer.seconds_until_due(105.0) == 0.0


def test_due_at_once_by_size() -> None:
    batch = records(2)
    buffer = _buffer(max_bytes=batch[0].size + 1)
    buffer.add(batch[:1], reason="unavailable", now=100.0)
    assert buffer.seconds_until_due(100.0) == 5.0

    buffer.add(batch[1:], reason="unavailable", now=100.0)

    assert buffer.seconds_until_due(100.0) == 0.0


def test_pause_delays_the_next_object() -> None:
    batch = records(1)
    buffer = _buffer(max_bytes=1)
    buffer.add(batch, reason="unavailable", now=100.0)
    buffer.pause(103.0)

    assert buffer.seconds_until_due(101.0) == 2.0
    assert buffer.seconds_until_due(103.0) == 0.0


def test_pause_gives_way_to_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = records(1)
    monkeypatch.setattr("telemetry.audit.fallback.object_buffer._PAUSED_BYTES", batch[0].size)
    buffer = _buffer(max_bytes=1)
    buffer.pause(103.0)
    buffer.add(batch, reason="unavailable", now=100.0)

    assert buffer.seconds_until_due(101.0) == 0.0


def test_object_has_records_of_one_producer() -> None:
    first, second = records(3), records(2)
    buffer = _buffer()
    buffer.add([*first, *second], reason="too_large", now=100.0)

    pending = buffer.cut(100.0)

    assert (pending.records, pending.reason) == (first, "too_large")
    name = parse_object_name(pending.name)
    assert name is not None
    assert (name.topic, name.producer, name.first, name.last) == ("t", first[0].producer, 0, 2)
    buffer.encode(pending)
    opened = decode_object(pending.data)
    assert opened.header.reason == "too_large"
    assert [(r.key, r.value, r.sequence) for r in opened.records] == [(r.key, r.value, r.sequence) for r in first]
    assert buffer.cut(100.0).records == second
    assert len(buffer) == 0


def test_object_is_bounded_in_bytes() -> None:
    batch = records(5, size=100)
    buffer = _buffer(max_bytes=sum(record.size for record in batch[:2]))
    buffer.add(batch, reason="unavailable", now=100.0)

    assert [len(buffer.cut(100.0).records) for _ in range(3)] == [2, 2, 1]


def test_record_larger_than_an_object_goes_alone() -> None:
    batch = records(2, size=100)
    buffer = _buffer(max_bytes=1)
    buffer.add(batch, reason="unavailable", now=100.0)

    assert buffer.cut(100.0).records == batch[:1]


def test_rest_begins_a_new_wait() -> None:
    batch = records(3)
    buffer = _buffer(max_bytes=batch[0].size * 2 + 20)
    buffer.add(batch, reason="unavailable", now=100.0)
    buffer.cut(105.0)

    assert buffer.seconds_until_due(106.0) == 4.0


def test_other_producers_of_a_round_are_due_at_once() -> None:
    first, second = records(1), records(1)
    buffer = _buffer()
    buffer.add([*first, *second], reason="unavailable", now=100.0)
    assert buffer.cut(105.0).records == first

    assert buffer.seconds_until_due(106.0) == 0.0
    assert buffer.cut(106.0).records == second


def test_interleaved_producers_have_an_object_each() -> None:
    streams = [records(20) for _ in range(3)]
    buffer = _buffer()
    for number in range(20):
        buffer.add([stream[number] for stream in streams], reason="unavailable", now=100.0)

    cut = [buffer.cut(105.0).records for _ in range(3)]

    assert cut == streams
    assert len(buffer) == 0


def test_what_comes_in_during_a_round_waits_for_the_next_one() -> None:
    dead, own = records(4), records(4)
    buffer = _buffer(max_bytes=dead[0].size * 2 + 20)
    buffer.add([*dead, *own[:2]], reason="unavailable", now=100.0)
    cut = [buffer.cut(105.0).records]
    buffer.add(own[2:], reason="unavailable", now=105.0)

    cut += [buffer.cut(105.0).records for _ in range(3)]

    assert cut == [dead[:2], dead[2:], own[:2], own[2:]], (
        "nothing overtakes the records of a dead process of the service"
    )


def test_round_can_be_taken_out_in_order() -> None:
    dead, own = records(4), records(4)
    buffer = _buffer(max_bytes=dead[0].size * 2 + 20)
    buffer.add([*dead, *own[:2]], reason="unavailable", now=100.0)
    buffer.cut(105.0)
    buffer.add(own[2:], reason="unavailable", now=105.0)

    assert buffer.take_all() == [*dead[2:], *own]
    assert len(buffer) == 0


def test_everything_can_be_taken_out() -> None:
    batch = records(4)
    buffer = _buffer(max_bytes=1)
    buffer.add(batch, reason="unavailable", now=100.0)

    assert buffer.take_all() == batch

    assert len(buffer) == 0
    buffer.add(records(1), reason="unavailable", now=200.0)
    assert buffer.seconds_until_due(200.0) == 0.0


def test_leaves_of_a_checkpoint_are_stored_with_it() -> None:
    batch = records(2)
    checkpoint = SealedRecord.written(
        "c", producer=batch[0].producer, sequence=None, key=b"p", value=b"note", leaves=b"\x01leaves"
    )
    buffer = _buffer()
    buffer.add([*batch, checkpoint], reason="unavailable", now=100.0)

    pending = buffer.cut(100.0)
    buffer.encode(pending)
    opened = decode_object(pending.data)

    assert [record.headers for record in opened.records] == [(), (), (("telemetry-leaves", "AWxlYXZlcw=="),)]
    assert from_text(opened.records[2].headers) == checkpoint.leaves
