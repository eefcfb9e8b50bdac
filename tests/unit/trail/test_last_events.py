"""The last events are those that arrived last, whatever was cut off before them."""

from __future__ import annotations

import math

import pytest

from telemetry.exceptions import WrapNotSeenError
from telemetry.format.value.event import AuditEvent
from telemetry.reader import DamagedRecord, OpenedEvent, Place, RawRecord
from telemetry.reader.sources.ending import Ending
from telemetry.trail.last_events import LastEvents, NoObserver


def event(place: Place, timestamp: float | None, time: str = "2026-01-02T03:04:05.000000Z") -> OpenedEvent:
    made = AuditEvent(
        id=f"id-{place.partition}-{place.offset}",
        time=time,
        event_type="login",
        user_id="ada",
        payload=None,
        service_name="payments",
        environment="production",
        producer="p",
        sequence=place.offset,
        schema_version=1,
    )
    return OpenedEvent(made, place, sealed=True, raw=RawRecord(None, b"", place, timestamp))


def topic(partition: int, offset: int, timestamp: float) -> OpenedEvent:
    return event(Place("topic", partition, offset), timestamp)


def kept(last: LastEvents) -> list[tuple[int | None, int]]:
    return [opened.place[1:3] for opened in last]


def test_latest_over_partitions_in_order() -> None:
    last = LastEvents(3)
    last.read([topic(0, 7, 10.0), topic(0, 8, 40.0), topic(1, 3, 20.0), topic(1, 4, 30.0)], NoObserver())

    assert kept(last) == [(1, 3), (1, 4), (0, 8)]


def test_partition_keeps_its_order() -> None:
    last = LastEvents(2)
    last.read([topic(0, 1, 50.0), topic(0, 2, 10.0), topic(1, 1, 20.0)], NoObserver())

    assert kept(last) == [(0, 1), (0, 2)]


def test_stored_event_counts_from_its_own_time() -> None:
    last = LastEvents(2)
    stored = event(Place("topic", offset=5, name="object"), None, "1970-01-01T00:00:30.000000Z")
    last.read([stored, topic(0, 1, 20.0), topic(0, 2, 40.0)], NoObserver())

    assert kept(last) == [(None, 5), (0, 2)]


@pytest.mark.parametrize(("since", "expected"), [(-math.inf, True), (10.0, True), (10.5, False), (math.inf, False)])
def test_earlier_records_may_be_among_them(since: float, *, expected: bool) -> None:
    last = LastEvents(2)
    last.read([topic(0, 1, 10.0), topic(0, 2, 20.0)], NoObserver())

    assert last.are_complete(since) is expected


def test_too_few_are_not_complete() -> None:
    last = LastEvents(2)
    last.read([topic(0, 1, 10.0)], NoObserver())

    assert not last.are_complete(0.0)


def test_wrap_may_be_further_back() -> None:
    last = LastEvents(1)
    place = Place("topic", 0, 1)
    last.read([DamagedRecord(place, WrapNotSeenError("absent"), RawRecord(None, b"", place))], NoObserver())
    last.read([topic(0, 2, 10.0)], NoObserver())

    assert not last.are_complete(0.0)


def test_ending_is_complete_since_the_latest_beginning() -> None:
    records = [RawRecord(None, b"", Place("topic", partition, 5), time) for partition, time in ((0, 10.0), (1, 30.0))]
    ending = Ending(records, cut=[0, 1])

    assert ending.complete_since == math.inf
    assert list(ending) == records
    assert ending.complete_since == 30.0
    assert not ending.is_whole


def test_partition_without_a_time_is_not_known() -> None:
    ending = Ending([RawRecord(None, b"", Place("topic", 0, 5), 10.0)], cut=[0, 1])
    list(ending)

    assert ending.complete_since == math.inf
