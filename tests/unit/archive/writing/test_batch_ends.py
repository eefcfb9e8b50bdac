"""A batch ends at one moment in all partitions, and no record of any time stops an archiver."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Collection, Mapping
from itertools import accumulate

import pytest

from telemetry.archive.writing.batch_ends import BatchEnds

NOW = 1_800_000_000.0


class Topic:
    """Times of the records of each partition; it answers as a broker does."""

    def __init__(self, *partitions: list[float]) -> None:
        self.times = dict(enumerate(partitions))
        self.latest = {number: list(accumulate(times, max)) for number, times in self.times.items()}
        self.ends = {number: len(times) for number, times in self.times.items()}
        self.questions = 0

    def offsets_at(self, seconds: float, partitions: Collection[int]) -> Mapping[int, int | None]:
        self.questions += 1
        found = {number: bisect_left(self.latest[number], seconds) for number in partitions}
        return {number: at if at < self.ends[number] else None for number, at in found.items()}


def batches(topic: Topic, *, most: int) -> list[dict[int, int]]:
    ends = BatchEnds(topic.offsets_at, clock=lambda: NOW)
    positions, found = dict.fromkeys(topic.ends, 0), []
    while positions != topic.ends:
        chosen = ends.choose(positions, topic.ends, most=most)
        assert chosen != positions
        assert all(positions[each] <= chosen[each] <= topic.ends[each] for each in chosen)
        found.append(chosen)
        positions = chosen
    return found


def test_what_fits_is_one_batch() -> None:
    topic = Topic([NOW - 3, NOW - 2], [], [NOW - 1])

    assert batches(topic, most=3) == [{0: 2, 1: 0, 2: 1}]


def test_batches_end_at_one_moment() -> None:
    seconds = random.Random(7)  # noqa: S311 - the same times in each run
    times = [NOW - 10_000 + index for index in range(9_000)]
    partitions: list[list[float]] = [[] for _ in range(4)]
    for moment in times:
        partitions[seconds.randrange(4)].append(moment)
    topic = Topic(*partitions)

    found = batches(topic, most=1_000)

    assert len(found) <= 20
    for chosen in found[:-1]:
        assert (
            500
            <= sum(chosen.values()) - (sum(found[found.index(chosen) - 1].values()) if chosen != found[0] else 0)
            <= 1_000
        )
        read = [moment for number, end in chosen.items() for moment in topic.times[number][:end]]
        left = [moment for number, end in chosen.items() for moment in topic.times[number][end:]]
        assert max(read) < min(left)
    assert topic.questions < 45 * len(found)


def test_more_records_in_one_millisecond_than_a_batch_has() -> None:
    topic = Topic([NOW - 1.0] * 5_000, [NOW - 1.0] * 100)

    assert sum(batches(topic, most=1_000)[0].values()) <= 2_000


def test_record_from_the_future_stops_no_partition() -> None:
    ordinary = [NOW - 5_000 + index for index in range(4_000)]
    topic = Topic([NOW + 10**8, *ordinary], ordinary)

    assert len(batches(topic, most=500)) < 50


@pytest.mark.parametrize("seed", range(20))
def test_times_in_any_order_come_to_an_end(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same times in each run
    partitions = [
        [
            chance.choice([0.0, NOW - chance.random() * 1e6, NOW + chance.random() * 1e9])
            for _ in range(chance.randrange(300))
        ]
        for _ in range(chance.randrange(1, 6))
    ]

    assert len(batches(Topic(*partitions), most=chance.randrange(1, 200))) < 2_000
