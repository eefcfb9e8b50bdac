"""A batch is complete by number, by size or by time, and all of them together are bounded."""

from __future__ import annotations

from telemetry.forward.delivery import Batch, Parcel
from telemetry.forward.lanes import BatchLimits, Lanes
from tests.support.parcels import entry


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def parcel(number: int, *, size: int = 10, lane: str = "") -> Parcel:
    opened = entry(number)
    return Parcel(str(number), opened, opened.raw, b"x" * size, lane)


def numbers(batches: list[Batch]) -> list[list[int]]:
    return [[int(each.id) for each in batch] for batch in batches]


def test_number_of_events() -> None:
    lanes = Lanes(BatchLimits(events=3))
    complete = [batch for number in range(7) for batch in lanes.add(parcel(number))]

    assert numbers(complete) == [[0, 1, 2], [3, 4, 5]]
    assert numbers(list(lanes.rest())) == [[6]]
    assert lanes.seconds_to_next() is None


def test_size_and_one_that_is_larger() -> None:
    lanes = Lanes(BatchLimits(events=100, size=25))
    complete = [
        batch for number, size in enumerate((10, 10, 10, 99, 5)) for batch in lanes.add(parcel(number, size=size))
    ]

    assert numbers(complete) == [[0, 1], [2], [3]]
    assert numbers(list(lanes.rest())) == [[4]]


def test_time_since_the_first() -> None:
    clock = Clock()
    lanes = Lanes(BatchLimits(seconds=5.0), clock=clock)
    assert list(lanes.add(parcel(0))) == []
    clock.now += 4.0
    assert list(lanes.add(parcel(1))) == []
    assert (list(lanes.due()), lanes.seconds_to_next()) == ([], 1.0)
    clock.now += 1.5
    assert lanes.seconds_to_next() == 0.0
    assert numbers(list(lanes.due())) == [[0, 1]]


def test_lanes_are_apart_and_bounded_together() -> None:
    lanes = Lanes(BatchLimits(events=100, size=1_000, total=100))
    complete = []
    for number in range(12):
        complete += list(lanes.add(parcel(number, lane="ab"[number % 3 == 0])))

    assert numbers(complete) == [[0, 3, 6, 9]] or numbers(complete) == [[1, 2, 4, 5, 7, 8, 10]]
    assert sorted(each for batch in [*complete, *lanes.rest()] for each in numbers([batch])[0]) == list(range(12))
