"""Events come in the order of their times, however they are written and whatever order they came in."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest

from telemetry.cli.output.sorting.event_order import EventOrder, SortBy, instant
from telemetry.cli.output.sorting.external_sort import ExternalSort
from telemetry.format.value.event import AuditEvent
from telemetry.reader import OpenedEvent, Place, Proven, RawRecord
from telemetry.reader.mappings import SCHEMAS


def event(time: str, *, producer: str = "a", sequence: int = 0, place: Place | None = None) -> OpenedEvent:
    place = place or Place("topic", 0, sequence)
    made = AuditEvent(
        id=f"{producer}-{sequence}",
        time=time,
        event_type="login",
        user_id="ada",
        payload={"large": 10**30, "text": "Größe", "list": [1.5, None, True]},
        service_name="payments",
        environment="production",
        producer=producer,
        sequence=sequence,
        schema_version=1,
        metadata={"region": "eu"},
    )
    raw = RawRecord(b"ada:payments", b"sealed", place, 1.25, (), 1.5)
    return OpenedEvent(made, place, sealed=True, raw=raw, proven=Proven.PENDING, is_foreign=True)


def ordered(events: list[OpenedEvent], *, by: SortBy = SortBy.TIME, memory: int = 1 << 20) -> list[OpenedEvent]:
    with EventOrder(by, sort=ExternalSort(memory=memory)) as order:
        for opened in events:
            order.add(opened)
        return list(order)


@pytest.mark.parametrize("memory", [1, 1 << 20])
def test_whole_event_comes_back(memory: int) -> None:
    opened = event("2026-01-02T03:04:05.000006Z")

    (found,) = ordered([opened], memory=memory)

    assert found.event == opened.event
    for schema in SCHEMAS.values():
        assert schema.record(found) == schema.record(opened)


def test_times_are_compared_and_not_their_texts() -> None:
    times = [
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.000000001Z",
        "2026-01-02T03:04:05.1Z",
        "2026-01-02T05:04:05.2+02:00",
        "2026-01-02T03:04:06.000000Z",
        "not a time",
    ]
    assert [instant(time) for time in times] == sorted(instant(time) for time in times)
    assert all(one != other for one, other in pairwise(map(instant, times)))
    assert instant("1969-12-31T23:59:59.5Z") == (-1, 500_000_000)
    assert instant("9999-12-31T23:59:59.999999999Z") == (253_402_300_799, 999_999_999)


def test_ties_are_broken_by_producer_and_sequence() -> None:
    time = "2026-01-02T03:04:05.000006Z"
    events = [event(time, producer=producer, sequence=sequence) for producer in "ba" for sequence in (10, 9)]
    events += [event(time, producer="a", sequence=9, place=Place("topic", 1, 3))]
    chance = random.Random(2)  # noqa: S311 - the same orders in each run

    for _ in range(10):
        chance.shuffle(events)
        found = [(one.event.producer, one.event.sequence, one.place.partition) for one in ordered(events)]
        assert found == [("a", 9, 0), ("a", 9, 1), ("a", 10, 0), ("b", 9, 0), ("b", 10, 0)]


def test_occurred_time_counts_where_it_is_given() -> None:
    later = event("2026-01-02T00:00:00.000000Z", sequence=1)
    earlier = event("2026-01-03T00:00:00.000000Z", sequence=2)
    earlier = replace(earlier, event=msgspec.structs.replace(earlier.event, occurred_at="2020-01-01T00:00:00Z"))

    assert [one.event.sequence for one in ordered([later, earlier], by=SortBy.OCCURRED)] == [2, 1]
    assert [one.event.sequence for one in ordered([earlier, later], by=SortBy.TIME)] == [1, 2]


def test_sequence_of_any_size_is_sorted() -> None:
    time = "2026-01-02T03:04:05Z"
    place = Place("topic", 0, 1)
    found = ordered([event(time, sequence=1 << 70, place=place), event(time, sequence=3)], memory=1)

    assert [one.event.sequence for one in found] == [3, 1 << 70]
