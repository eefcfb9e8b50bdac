from __future__ import annotations

from pathlib import Path

from telemetry import TelemetryConfig
from telemetry.audit.assembly import assemble
from telemetry.audit.metrics.instruments import _GAUGES
from tests.support.faulty_services import FaultyKeys, FaultyStore
from tests.support.quick_telemetry import NOWHERE, quick_config
from tests.support.until import until


def test_whole_pipeline_has_every_gauge(tmp_path: Path) -> None:
    config = quick_config(
        NOWHERE,
        tmp_path,
        encryption_enabled=True,
        encryption_config=FaultyKeys().config,
        storage_config=FaultyStore().config,
        spool_path=tmp_path / "spool",
        shared_streams={},
        key_mode="hmac",
        key_hmac_secret="k" * 32,
        subject_keys={"store": f"sqlite:///{tmp_path}/subjects.db"},
    )
    pipeline = assemble(TelemetryConfig(service_name="shop", audit_config=config))

    gauges = pipeline.gauges()

    assert gauges.keys() == _GAUGES.keys()
    assert gauges["audit.spool.broken"] == gauges["audit.data_key.overdue"] == gauges["audit.queue.fill"] == 0
    assert gauges["audit.queue.events"] == gauges["audit.oldest_undelivered_age_seconds"] == 0
    pipeline.shutdown(10)


def test_gauges_follow_an_outage(tmp_path: Path) -> None:
    store = FaultyStore()
    config = quick_config(NOWHERE, tmp_path, storage_config=store.config, queue_max_events=2)
    pipeline = assemble(TelemetryConfig(service_name="shop", audit_config=config))
    store.begin("hanging")
    receipts = [pipeline.offer("login", {}, "ada", {}) for _ in range(2)]
    assert all(receipt.is_accepted for receipt in receipts)
    waiting = pipeline.offer("login", {}, "ada", {})

    gauges = pipeline.gauges()
    assert (gauges["audit.queue.events"], gauges["audit.queue.waiting_calls"]) == (2, 1)
    assert gauges["audit.queue.fill"] == 1
    assert gauges["audit.queue.bytes"] > 0
    until(lambda: pipeline.gauges()["audit.kafka.diverted"] == 1)
    store.clear()
    until(lambda: pipeline.gauges()["audit.fallback.backlog_events"] == 3)

    assert pipeline.gauges()["audit.queue.events"] == 0
    assert pipeline.gauges()["audit.fallback.backlog_bytes"] > 0
    assert waiting.is_settled
    pipeline.shutdown(10)


def test_undelivered_event_grows_older(tmp_path: Path) -> None:
    config = quick_config(NOWHERE, tmp_path, kafka_timeout_ms=300_000, batch_timeout_ms=60_000, batch_size_kb=1_000)
    pipeline = assemble(TelemetryConfig(service_name="shop", audit_config=config))
    pipeline.offer("login", {}, "ada", {})

    until(lambda: pipeline.gauges()["audit.oldest_undelivered_age_seconds"] > 0.05)

    pipeline.shutdown(5)
