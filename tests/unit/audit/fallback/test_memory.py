"""Without a store, records wait in memory in order, and fail only when their time is over."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from telemetry.audit.fallback.memory import MemoryFallback
from telemetry.audit.ledger import Ledger
from telemetry.audit.metrics.instruments import AuditMetrics
from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord
from telemetry.exceptions import TransportError
from tests.support.leftovers import records
from tests.support.until import until


class Bench:
    """A fallback in memory, and a Kafka whose answers a test sets."""

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
    bench = Bench(patience=0.4)
    yield bench
    bench.fallback.close()


def _with_receipts(count: int) -> list[SealedRecord]:
    batch = records(count)
    for record in batch:
        record.receipt = Receipt(event_id=record.event_id, producer=record.producer, sequence=record.sequence or 0)
    return batch


def test_records_come_back_in_order(bench: Bench) -> None:
    batch = records(6)
    bench.fallback.add(batch[:4], reason="unreachable")
    bench.fallback.add(batch[4:], reason="unreachable")

    assert len(bench.fallback) == 6
    assert not bench.fallback.flush(0)
    assert bench.fallback.take_back() == batch
    assert bench.fallback.flush(0)


def test_sender_is_notified_when_kafka_answers(bench: Bench) -> None:
    bench.fallback.add(records(1), reason="unreachable")
    bench.fallback.fallback_entered("unreachable")

    assert bench.ready.wait(20)


def test_record_refused_forever_is_given_up(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    batch = _with_receipts(1)
    bench.fallback.add(batch, reason="too_large")
    tries = 0

    def try_again() -> int:
        nonlocal tries
        # As the sender does: it takes the records back, Kafka refuses them, they are added again.
        bench.fallback.fallback_left()
        taken = bench.fallback.take_back()
        if taken:
            tries += 1
            bench.fallback.add(taken, reason="too_large")
        bench.fallback.fallback_entered("unreachable")
        return bench.ledger.counts.failed

    with caplog.at_level(logging.ERROR):
        until(try_again, timeout=20)

    assert tries > 1
    receipt = batch[0].receipt
    assert receipt is not None
    with pytest.raises(TransportError, match="too_large"):
        receipt.wait_delivered(0)


def test_spool_keeps_records_without_end() -> None:
    bench = Bench(patience=None)
    bench.answer = TransportError("away")
    batch = records(3)
    bench.fallback.add(batch, reason="unreachable")
    bench.fallback.fallback_entered("unreachable")

    bench.fallback._expire()

    assert bench.fallback.close() == batch
