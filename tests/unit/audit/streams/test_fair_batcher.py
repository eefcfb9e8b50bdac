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
