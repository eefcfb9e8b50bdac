"""Batches are drawn from the streams in turn, each stream's records in order, and every batch ends."""

from __future__ import annotations

import random
import threading
from collections import defaultdict

import pytest

from telemetry.audit.record import SealedRecord
from telemetry.audit.streams.fair_batcher import FairBatcher

BATCH_BYTES = 512 << 10
TURN_BYTES = 16 << 10


def _records(producer: str, *sizes: int) -> list[SealedRecord]:
    return [
        SealedRecord(event_id="", producer=producer, sequence=number, key=b"", size=size)
        for number, size in enumerate(sizes)
    ]


def _batches(*streams: list[SealedRecord]) -> list[list[SealedRecord]]:
    """Return the batches that the streams end up in, drawn in a thread that may not hang."""
    batcher = FairBatcher(lock=threading.Lock(), max_bytes=1, max_delay=0.0)
    for stream in streams:
        batcher.extend(stream)
    batches: list[list[SealedRecord]] = []

    def draw() -> None:
        while len(batcher):
            batches.append(batcher.take(0))

    thread = threading.Thread(target=draw, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "a batch never ends"
    return batches


def test_last_stream_whose_next_record_is_too_large_ends_the_batch() -> None:
    short, long = _records("a", *[10_000] * 30), _records("b", *[10_000] * 100)

    batches = _batches(short, long)

    assert sum(map(len, batches)) == 130
    assert all(sum(record.size for record in batch) <= BATCH_BYTES + TURN_BYTES for batch in batches)


def test_record_larger_than_a_batch_is_drawn_alone() -> None:
    (large,) = _records("a", 2 * BATCH_BYTES)

    assert _batches([large]) == [[large]]


def test_short_stream_is_not_behind_a_long_one() -> None:
    long, short = _records("long", *[1_000] * 5_000), _records("short", *[1_000] * 5)

    first = _batches(long, short)[0]

    assert {record.producer for record in first[: 2 * TURN_BYTES // 1_000 + 2]} == {"long", "short"}


@pytest.mark.parametrize("seed", range(20))
def test_every_record_is_drawn_once_and_in_order(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    sizes = (1, 900, TURN_BYTES, TURN_BYTES + 1, BATCH_BYTES - 1, BATCH_BYTES, 3 * BATCH_BYTES)
    streams = [
        _records(f"stream-{name}", *chance.choices(sizes, weights=(9, 9, 3, 3, 1, 1, 1), k=chance.randrange(1, 60)))
        for name in range(chance.randrange(1, 8))
    ]

    drawn: dict[str, list[int | None]] = defaultdict(list)
    for batch in _batches(*streams):
        assert batch
        for record in batch:
            drawn[record.producer].append(record.sequence)

    assert drawn == {stream[0].producer: list(range(len(stream))) for stream in streams}


LONG = 600.0


def record(producer: str, number: int, *, size: int = 1_000) -> SealedRecord:
    return SealedRecord(event_id=str(number), producer=producer, sequence=number, key=b"k", size=size)


class Bench:
    """A batcher whose lanes are filled as the intakes do."""

    def __init__(self, *, max_bytes: int = 1) -> None:
        self.lock = threading.Lock()
        self.batcher = FairBatcher(lock=self.lock, max_bytes=max_bytes, max_delay=LONG)

    def fill(self, producer: str, count: int, *, size: int = 1_000, first: int = 0) -> None:
        with self.lock:
            for number in range(first, first + count):
                self.batcher.lane(producer).add(record(producer, number, size=size))

    def batches(self) -> list[list[SealedRecord]]:
        taken = []
        while batch := self.batcher.take(0.0):
            taken.append(batch)
        return taken


def numbers(batch: list[SealedRecord], producer: str) -> list[int]:
    return [record.sequence or 0 for record in batch if record.producer == producer]


def test_flood_is_drawn_in_bounded_batches() -> None:
    bench = Bench()
    bench.fill("flood", 3_000)

    batches = bench.batches()

    assert [number for batch in batches for number in numbers(batch, "flood")] == [*range(3_000)]
    assert max(sum(record.size for record in batch) for batch in batches) <= 512 << 10
    assert len(batches) > 5


def test_event_beside_a_flood_is_in_the_next_batch() -> None:
    bench = Bench()
    bench.fill("flood", 3_000)
    bench.batcher.take(0.0)
    bench.fill("quiet", 1)

    batch = bench.batcher.take(0.0)

    assert numbers(batch, "quiet") == [0]
    assert numbers(batch, "flood"), "the flood goes on"


def test_streams_have_equal_parts_of_a_batch() -> None:
    bench = Bench()
    for producer in ("a", "b", "c", "d"):
        bench.fill(producer, 2_000)

    batch = bench.batcher.take(0.0)

    counts = [len(numbers(batch, producer)) for producer in ("a", "b", "c", "d")]
    assert max(counts) - min(counts) <= 17, counts


def test_parts_are_measured_in_bytes() -> None:
    bench = Bench()
    bench.fill("large", 200, size=20_000)
    bench.fill("small", 20_000, size=100)

    batch = bench.batcher.take(0.0)

    by_bytes = {name: sum(r.size for r in batch if r.producer == name) for name in ("large", "small")}
    assert 0.8 < by_bytes["large"] / by_bytes["small"] < 1.25


def test_record_larger_than_a_batch_is_sent() -> None:
    bench = Bench()
    bench.fill("a", 3, size=1 << 20)
    assert [len(batch) for batch in bench.batches()] == [1, 1, 1]

    bench.fill("a", 3, size=1 << 20, first=3)
    bench.fill("b", 3, size=1 << 20)
    drawn = [record for batch in bench.batches() for record in batch]
    assert (numbers(drawn, "a"), numbers(drawn, "b")) == ([3, 4, 5], [0, 1, 2])


def test_last_record_that_does_not_fit_waits_for_the_next_batch() -> None:
    bench = Bench()
    bench.fill("a", 2, size=300_000)

    assert [len(batch) for batch in bench.batches()] == [1, 1]
    assert len(bench.batcher) == 0


def test_counts_follow_what_is_there() -> None:
    bench = Bench(max_bytes=1 << 30)
    assert bench.batcher.oldest is None
    bench.fill("a", 5)
    bench.fill("b", 5)
    assert len(bench.batcher) == 10
    assert bench.batcher.oldest is not None
    assert bench.batcher.take(0.0) == [], "neither large nor old enough"

    everything = bench.batcher.take_all()

    assert [*numbers(everything, "a"), *numbers(everything, "b")] == [*range(5), *range(5)]
    assert len(bench.batcher) == 0
    assert bench.batcher.oldest is None


def test_committed_records_go_to_the_lane_of_their_stream() -> None:
    bench = Bench()
    bench.batcher.lane("a").extend([record("a", 0), record("a", 1)])
    bench.batcher.extend([record("b", 0), record("a", 2)])

    batch = bench.batcher.take_all()

    assert (numbers(batch, "a"), numbers(batch, "b")) == ([0, 1, 2], [0])
