from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from telemetry import TelemetryConfig
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

    def offer(self) -> Receipt:
        return self.pipeline.offer("login", {}, "ada", {})


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
        assert bench.offer().is_accepted


def test_refused_event_is_counted(bench: Bench) -> None:
    with pytest.raises(EventError):
        bench.pipeline.offer("", {}, "ada", {})

    stats = bench.pipeline.stats()
    assert (stats.logged, stats.refused) == (0, 1)


def test_full_queue_refuses_after_its_time(bench: Bench) -> None:
    fill(bench)
    waiting = bench.offer()
    assert (waiting.producer, waiting.sequence) == (None, None)
    assert bench.pipeline.stats().waiting == 1

    with pytest.raises(BackpressureError):
        waiting.wait()

    stats = bench.pipeline.stats()
    assert (stats.refused, stats.waiting, stats.logged) == (1, 0, 2)


def test_missing_key_refuses_after_its_own_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path, data_key_max_uses=1, queue_max_events=100, queue_full_timeout_ms=600_000)
    bench.keys.begin("hanging")
    while (offered := bench.offer()).is_accepted:
        pass

    with pytest.raises(KeyUnreachableError):
        offered.wait()
    bench.keys.clear()
    bench.pipeline.shutdown(20)


def test_failure_that_nobody_waits_for_is_counted(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    fill(bench)
    for _ in range(2):
        bench.offer()

    until(lambda: bench.pipeline.stats().refused == 2)

    assert bench.pipeline.stats().lost == 2
    assert sum("lost" in line and "BackpressureError" in line for line in caplog.messages) == 1


def test_as_many_events_wait_as_may(tmp_path: Path) -> None:
    bench = Bench(tmp_path, queue_full_timeout_ms=600_000)
    fill(bench)
    while (pipeline := bench.pipeline).stats().waiting < 2:
        pipeline.offer("login", {}, "ada", {})

    with pytest.raises(BackpressureError, match="as many as may"):
        bench.offer()
    bench.store.clear()
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


def test_waiting_event_is_accepted_when_there_is_room(tmp_path: Path) -> None:
    bench = Bench(tmp_path, queue_full_timeout_ms=600_000)
    fill(bench)
    waiting = bench.offer()
    bench.store.clear()

    assert waiting.wait(60).sequence == 2
    bench.pipeline.shutdown(20)


def test_waiting_event_is_logged_during_the_shutdown(tmp_path: Path) -> None:
    bench = Bench(tmp_path, queue_full_timeout_ms=600_000)
    fill(bench)
    waiting = bench.offer()
    Timer(0.2, bench.store.clear).start()

    report = bench.pipeline.shutdown(60)

    assert waiting.is_settled
    assert report.stored == 3


def test_nothing_is_accepted_after_the_shutdown(bench: Bench) -> None:
    bench.pipeline.shutdown(10)

    with pytest.raises(LifecycleError):
        bench.offer()
    assert bench.pipeline.stats().refused == 1
