"""A stream signs its own events, says how it is, and leaves nothing in what it shared once it has ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.gateway_site import SOURCE
from tests.support.leftovers import left_in
from tests.support.stream_bench import StreamBench, log, pass_seconds
from tests.support.until import until


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def bench(tmp_path: Path, opened: ExitStack) -> StreamBench:
    return StreamBench(tmp_path, opened)


def test_final_checkpoint_covers_every_event(bench: StreamBench) -> None:
    stream = bench.builder.open("payments")
    log(stream, 2)
    assert bench.signed(stream, bench.drawn(2)) == []

    stream.expect_end()
    (final,) = bench.signed(stream)

    assert (final.source, final.via, final.producer) == ("/test/payments", SOURCE, stream.producer)
    assert (final.size, final.final) == (2, True)
    assert bench.signed(stream) == [], "a stream ends once"


def test_end_waits_for_the_last_event(bench: StreamBench) -> None:
    stream = bench.builder.open("payments")
    log(stream, 2)
    first, last = bench.drawn(2)
    stream.expect_end()

    assert bench.signed(stream, [first]) == [], "the other one is accepted, and not in the tree yet"
    (final,) = bench.signed(stream, [last])

    assert (final.size, final.final) == (2, True)


def test_end_without_an_event_is_not_signed(bench: StreamBench) -> None:
    stream = bench.builder.open("payments")

    pass_seconds(stream, 80_000)
    assert bench.signed(stream) == [], "no sign of life either"
    stream.expect_end()

    assert bench.signed(stream) == []


def test_stream_with_events_shows_life(bench: StreamBench) -> None:
    stream = bench.builder.open("payments")
    log(stream)
    pass_seconds(stream, 80_000)
    assert [each.size for each in bench.signed(stream, bench.drawn(1))] == [1]

    assert bench.signed(stream) == []
    pass_seconds(stream, 301)
    (beat,) = bench.signed(stream)

    assert (beat.size, beat.final, beat.via) == (1, False, SOURCE)


def test_streams_sign_their_own_trees(bench: StreamBench) -> None:
    streams = [bench.builder.open(name) for name in ("payments", "orders")]
    log(streams[0], 2)
    log(streams[1], 1)
    batch = bench.drawn(3)
    for stream in streams:
        stream.expect_end()

    finals = [bench.signed(stream, [each for each in batch if each.producer == stream.producer]) for stream in streams]

    assert [(each.source, each.size) for (each,) in finals] == [("/test/payments", 2), ("/test/orders", 1)]


def test_stream_of_a_process_without_a_key_signs_nothing(tmp_path: Path, opened: ExitStack) -> None:
    bench = StreamBench(tmp_path, opened, signing_config=None)
    stream = bench.builder.open("payments")
    log(stream)

    stream.expect_end()

    assert bench.signed(stream, bench.drawn(1)) == []


def test_health_says_what_waits_and_what_is_used(bench: StreamBench) -> None:
    stream = bench.builder.open("payments")
    health = stream.health
    assert (health.service_name, health.waiting, health.used_share) == ("payments", 0, 0.0)
    assert (health.oldest_waiting_seconds, health.has_data_key) == (0.0, True)

    receipts = log(stream, 3)

    assert [receipt.is_accepted for receipt in receipts] == [True, True, False]
    health = stream.health
    assert (health.waiting, health.used_share) == (1, 1.0)
    until(lambda: stream.health.oldest_waiting_seconds > 0, what="time that passes")
    bench.settle(bench.drawn(2))
    health = stream.health
    assert (health.waiting, health.used_share, health.oldest_waiting_seconds) == (0, 0.5, 0.0)
    assert receipts[2].sequence == 2


def test_full_stream_is_no_other_streams_health(bench: StreamBench) -> None:
    full, other = bench.builder.open("payments"), bench.builder.open("orders")
    log(full, 3)

    assert (other.health.waiting, other.health.used_share) == (0, 0.0)
    assert log(other)[0].sequence == 0


def test_health_says_whether_there_is_a_data_key(tmp_path: Path, opened: ExitStack) -> None:
    bench = StreamBench(tmp_path, opened, has_keys=True)
    stream, other = bench.builder.open("payments"), bench.builder.open("orders")
    assert not stream.health.has_data_key

    (receipt,) = log(stream)
    receipt.wait(60)

    assert (stream.health.has_data_key, other.health.has_data_key) == (True, False)
    stream.expect_end()
    bench.settle(bench.drawn(1))
    bench.builder.release(stream)
    assert not stream.health.has_data_key, "keys of a stream that has ended are forgotten"


def test_release_leaves_nothing_in_what_was_shared(bench: StreamBench) -> None:
    stream = bench.builder.open("payments")
    log(stream, 2)
    lane = bench.batcher.lane(stream.producer)
    bench.settle(bench.drawn(2))

    bench.builder.release(stream)

    assert bench.room.used == (0, 0)
    assert bench.room._shares == {}
    assert bench.batcher.lane(stream.producer) is not lane


def test_next_stream_of_a_service_is_another_producer(bench: StreamBench) -> None:
    one, another = bench.builder.open("payments"), bench.builder.open("payments")

    assert one.producer != another.producer
    assert one != another
    log(one)
    assert (one.share.events, another.share.events) == (1, 0)
    assert log(another)[0].sequence == 0


def test_file_lives_from_first_event_to_last_checkpoint(tmp_path: Path, opened: ExitStack) -> None:
    bench = StreamBench(tmp_path, opened, has_spool=True)
    stream = bench.builder.open("payments")
    assert left_in(bench.folder) == [], "a stream without an event has no file"

    log(stream)
    records = bench.drawn(1)
    assert f"{stream.producer}.spool" in left_in(bench.folder)
    stream.expect_end()
    finals = list(stream.before_send(records))
    assert [bench.verified(each).final for each in finals] == [True]
    bench.settle(records)
    assert stream.spooled is not None
    assert not stream.spooled.is_settled, "its final checkpoint is not on the topic yet"
    bench.builder.release(stream)
    assert bench.builder.ending == 1

    bench.settle(finals)

    until(lambda: bench.builder.ending == 0, what="the end of the stream's file")
    assert left_in(bench.folder) == []
