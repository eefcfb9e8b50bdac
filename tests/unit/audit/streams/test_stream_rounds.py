"""One look at all streams: what is due is signed, and a stream that cannot be signed delays no other one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from telemetry.audit.streams.stream_registry import StreamRegistry
from telemetry.audit.streams.stream_rounds import StreamRounds
from tests.support.stream_bench import StreamBench, log, pass_seconds


class Bench(StreamBench):
    """A registry of streams, and what looks after them."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        super().__init__(folder, opened)
        self.registry = StreamRegistry(self.builder, max_streams=10)
        self.rounds = StreamRounds(self.registry, own="", checkpointer=None, idle_seconds=3_600.0)

    def look(self) -> list[tuple[str, int, bool]]:
        """Return source, size and finality of the checkpoints of the next round."""
        self.rounds._next_round = 0.0
        found = [self.verified(record) for record in self.rounds.before_send(())]
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
