from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from telemetry.audit.fallback.memory import MemoryFallback
from telemetry.audit.ledger import Ledger
from telemetry.audit.metrics import AuditMetrics
from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord
from telemetry.exceptions import TransportError
from tests.support.leftovers import records
from tests.support.until import until


class Bench:
    """A fallback in memory that Kafka's answers are made up for."""

    def __init__(self, *, patience: float | None) -> None:
        self.ready = threading.Event()
        self.answer: TransportError | None = None
        self.ledger = Ledger(topic="t", metrics=AuditMetrics(topic="t"))
        self.fallback = MemoryFallback(
            ledger=self.ledger,
            patience=patience,
            kafka=self,
            listener=self,
        )

    def probe(self, _timeout: float) -> TransportError | None:
        return self.answer

    def kafka_is_ready(self) -> None:
        self.ready.set()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench(patience=0.4)
    yield made
    made.fallback.close()


def _waited_for(count: int) -> list[SealedRecord]:
    made = records(count)
    for record in made:
        record.receipt = Receipt(event_id=record.event_id, producer=record.producer, sequence=record.sequence or 0)
    return made


def test_records_come_back_in_order(bench: Bench) -> None:
    made = records(6)
    bench.fallback.add(made[:4], reason="unreachable")
    bench.fallback.add(made[4:], reason="unreachable")

    assert len(bench.fallback) == 6
    assert not bench.fallback.flush(0)
    assert bench.fallback.take_back() == made
    assert bench.fallback.flush(0)


def test_kafka_answers_again(bench: Bench) -> None:
    bench.fallback.add(records(1), reason="unreachable")
    bench.fallback.divert(diverted=True)

    assert bench.ready.wait(20)


def test_a_record_that_is_sent_again_and_again_is_given_up_all_the_same(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    made = _waited_for(1)
    bench.fallback.add(made, reason="too_large")
    tries = 0

    def try_again() -> int:
        nonlocal tries
        # As the sender does: it takes them, Kafka refuses them, they come back.
        bench.fallback.divert(diverted=False)
        taken = bench.fallback.take_back()
        if taken:
            tries += 1
            bench.fallback.add(taken, reason="too_large")
        bench.fallback.divert(diverted=True)
        return bench.ledger.counts.failed

    with caplog.at_level(logging.ERROR):
        until(try_again, timeout=20)

    assert tries > 1
    receipt = made[0].receipt
    assert receipt is not None
    with pytest.raises(TransportError, match="too_large"):
        receipt.wait_delivered(0)


def test_a_spool_keeps_them_without_end() -> None:
    bench = Bench(patience=None)
    bench.answer = TransportError("away")
    made = records(3)
    bench.fallback.add(made, reason="unreachable")
    bench.fallback.divert(diverted=True)

    bench.fallback._expire()

    assert bench.fallback.close() == made
