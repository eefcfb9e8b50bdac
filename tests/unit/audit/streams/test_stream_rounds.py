"""One look at all streams: what is due is signed, and a stream that cannot be signed delays no other one."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from telemetry.audit.accept.encryptor import ClearEncoder
from telemetry.audit.accept.stream import ProducerStream
from telemetry.audit.record import SealedRecord
from telemetry.audit.send.checkpoints.checkpointer import Checkpointer
from telemetry.audit.streams.stream_registry import StreamRegistry
from telemetry.audit.streams.stream_rounds import StreamRounds
from telemetry.audit.streams.stream_signer import StreamSigner
from tests.support.gateway_site import SOURCE
from tests.support.leftovers import records
from tests.support.stream_bench import StreamBench, log, pass_seconds


class Bench(StreamBench):
    """A registry of streams, and what looks after them."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        super().__init__(folder, opened)
        assert self.signer is not None
        self.registry = StreamRegistry(self.builder, max_streams=10)
        self.own = ProducerStream(ClearEncoder(source=SOURCE), signer=StreamSigner(self.signer, source=SOURCE))
        self.rounds = StreamRounds(
            self.registry,
            own=self.own.producer,
            checkpointer=Checkpointer(
                self.own, signer=StreamSigner(self.signer, source=SOURCE), every_events=2, every_seconds=80_000.0
            ),
            idle_seconds=3_600.0,
        )

    def own_records(self, count: int) -> list[SealedRecord]:
        """Return the next records of the process's own stream."""
        first, self.own.next_sequence = self.own.next_sequence, self.own.next_sequence + count
        return records(count, producer=self.own.producer, first=first)

    def look(self, batch: Sequence[SealedRecord] = ()) -> list[tuple[str, int, bool]]:
        """Return source, size and finality of the checkpoints of the next round."""
        self.rounds._next_round = 0.0
        found = [self.verified(record) for record in self.rounds.before_send(batch)]
        return [(each.source, each.size, each.final) for each in found]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ExitStack() as opened:
        yield Bench(tmp_path, opened)


def test_idle_stream_ends_with_its_final_checkpoint(bench: Bench) -> None:
    stream = bench.registry.of("payments")
    log(stream)
    batch = bench.drawn(1)
    assert list(bench.rounds.before_send(batch)) == []
    assert bench.look() == [], "it is not idle yet"
    stream.seen_at -= 7_200
    assert bench.look() == [], "it is not settled yet"
    bench.settle(batch)

    assert bench.look() == [("/test/payments", 1, True)]
    assert len(bench.registry) == 0
    assert bench.registry.of("payments") is not stream


def test_stream_that_cannot_be_ended_delays_no_other(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    assert bench.signer is not None
    orders, payments = bench.registry.of("orders"), bench.registry.of("payments")
    log(payments)
    batch = bench.drawn(1)
    bench.rounds.before_send(batch)
    bench.settle(batch)
    log(orders)
    bench.rounds.before_send(bench.drawn(1))
    pass_seconds(orders, 80_000)
    payments.seen_at -= 7_200
    bench.signer.failing = frozenset({"/test/payments"})

    with caplog.at_level(logging.ERROR):
        assert bench.look() == [("/test/orders", 1, False)], "noted as signed, so it must be sent"

    assert "final checkpoint" in caplog.text
    assert bench.registry.by_producer(payments.producer) is None
    assert list(bench.room._shares) == [orders.producer], "what it shared is free again"
    assert bench.registry.of("payments") is not payments


def test_final_checkpoint_that_failed_is_tried_again(bench: Bench) -> None:
    assert bench.signer is not None
    log(bench.registry.of("payments"))
    bench.rounds.before_send(bench.drawn(1))
    bench.signer.failing = frozenset({"/test/payments"})
    bench.rounds.expect_end()
    assert bench.look() == []

    bench.signer.failing = frozenset()

    assert bench.look() == [("/test/payments", 1, True)]
    assert bench.look() == []


def test_each_stream_sees_its_own_records(bench: Bench) -> None:
    orders, payments = bench.registry.of("orders"), bench.registry.of("payments")
    log(orders, 2)
    log(payments)
    theirs = bench.drawn(3)
    first, second = bench.own_records(2)

    # In turn, as the fair batcher draws them.
    assert bench.look([first, theirs[0], theirs[2], theirs[1], second]) == [(SOURCE, 2, False)]

    sizes = {stream.producer: stream.stream.tree.sizes()[0] for stream in (orders, payments)}
    assert sizes == {orders.producer: 2, payments.producer: 1}


def test_own_stream_that_cannot_sign_stops_no_other(bench: Bench) -> None:
    assert bench.signer is not None
    payments = bench.registry.of("payments")
    log(payments)
    batch = [*bench.own_records(2), *bench.drawn(1)]
    bench.signer.failing = frozenset({SOURCE})
    assert bench.look(batch) == []
    pass_seconds(payments, 80_000)
    assert bench.look() == [("/test/payments", 1, False)], "a record that is not hashed is never signed"

    bench.signer.failing = frozenset()

    assert bench.look() == [(SOURCE, 2, False)]


def test_event_in_the_batch_keeps_a_stream_open(bench: Bench) -> None:
    stream = bench.registry.of("payments")
    log(stream)
    stream.seen_at -= 7_200
    batch = bench.drawn(1)
    bench.look(batch)
    bench.settle(batch)

    assert bench.look() == []
    assert bench.registry.streams() == [stream]


def test_every_stream_ends_with_the_process(bench: Bench) -> None:
    orders = bench.registry.of("orders")
    log(orders)
    log(bench.registry.of("payments"))
    batch = bench.drawn(2)
    bench.look([batch[0], *bench.own_records(1)])
    orders.seen_at -= 7_200
    bench.rounds.expect_end()

    # The end of the process needs no pause between the rounds, and each final checkpoint waits for all events.
    assert {bench.verified(each).source for each in bench.rounds.before_send(())} == {SOURCE, "/test/orders"}
    (last,) = [bench.verified(each) for each in bench.rounds.before_send(batch[1:])]
    assert (last.source, last.size, last.final) == ("/test/payments", 1, True)
    assert bench.look() == []


def test_streams_wait_for_the_next_round(bench: Bench) -> None:
    stream = bench.registry.of("payments")
    log(stream)
    bench.look(bench.drawn(1))
    pass_seconds(stream, 80_000)
    bench.rounds._next_round = float("inf")

    assert list(bench.rounds.before_send(bench.own_records(1))) == []
    assert bench.look() == [("/test/payments", 1, False)]
