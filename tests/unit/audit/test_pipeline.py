from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry import TelemetryConfig
from telemetry.audit.accept.intake import Ticket
from telemetry.audit.assembly import assemble
from telemetry.audit.pipeline import AuditPipeline
from telemetry.audit.receipt import Receipt
from telemetry.exceptions import BackpressureError, EventError, KeyUnreachableError, LifecycleError
from tests.support.faulty_services import FaultyKeys, FaultyStore
from tests.support.quick_telemetry import NOWHERE, quick_config
from tests.support.until import until


class Bench:
    """A pipeline without a Kafka whose store and key service can hang."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.store, self.keys = FaultyStore(), FaultyKeys()
        config = quick_config(
            NOWHERE,
            folder,
            storage_config=self.store.config,
            encryption_enabled=True,
            encryption_config=self.keys.config,
            **{"queue_max_events": 2, "queue_full_timeout_ms": 40, "data_key_wait_ms": 70, **changes},
        )
        self.pipeline: AuditPipeline = assemble(TelemetryConfig(service_name="shop", audit_config=config))

    def offer(self) -> Receipt | Ticket:
        return self.pipeline.offer("login", {}, "ada", {})

    def ticket(self) -> Ticket:
        offered = self.offer()
        assert isinstance(offered, Ticket)
        return offered


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    parts = Bench(tmp_path)
    yield parts
    parts.store.clear()
    parts.keys.clear()
    parts.pipeline.shutdown(20)


def fill(bench: Bench) -> None:
    """Fill the queue with events that cannot be stored yet."""
    bench.store.begin("hanging")
    for _ in range(2):
        assert isinstance(bench.offer(), Receipt)


def test_refused_event_is_counted(bench: Bench) -> None:
    with pytest.raises(EventError):
        bench.pipeline.offer("", {}, "ada", {})

    stats = bench.pipeline.stats()
    assert (stats.logged, stats.refused) == (0, 1)


def test_full_queue_has_the_patience_for_room(bench: Bench) -> None:
    fill(bench)
    ticket = bench.ticket()

    assert bench.pipeline.patience(ticket) == pytest.approx(0.04)
    assert bench.pipeline.withdraw(ticket)
    assert isinstance(bench.pipeline.gave_up(ticket), BackpressureError)
    assert bench.pipeline.stats().refused == 1


def test_missing_key_has_its_own_patience(tmp_path: Path) -> None:
    bench = Bench(tmp_path, data_key_max_uses=1, queue_max_events=100)
    bench.keys.begin("hanging")
    while isinstance(offered := bench.offer(), Receipt):
        pass

    assert bench.pipeline.patience(offered) == pytest.approx(0.07)
    assert bench.pipeline.withdraw(offered)
    assert isinstance(bench.pipeline.gave_up(offered), KeyUnreachableError)
    bench.keys.clear()
    bench.pipeline.shutdown(20)


def test_stats_add_up_at_every_moment(bench: Bench) -> None:
    fill(bench)
    queued = bench.pipeline.stats()
    assert (queued.logged, queued.queued, queued.stored) == (2, 2, 0)

    bench.store.clear()

    until(lambda: bench.pipeline.stats().stored == 2)
    stats = bench.pipeline.stats()
    assert stats.logged == stats.delivered + stats.stored + stats.failed + stats.queued
    assert stats.diverted


def test_ticket_is_not_withdrawn_after_acceptance(bench: Bench) -> None:
    fill(bench)
    ticket = bench.ticket()
    bench.store.clear()

    assert ticket.receipt.result(60).sequence == 2
    assert not bench.pipeline.withdraw(ticket)


def test_nothing_is_accepted_after_the_shutdown(bench: Bench) -> None:
    bench.pipeline.shutdown(10)

    with pytest.raises(LifecycleError):
        bench.offer()
    assert bench.pipeline.stats().refused == 1
