"""Takes Kafka and the store away: the queue fills to its bound, log() waits, then raises; no event is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.exceptions import BackpressureError
from telemetry.testing import EmbeddedKafka
from tests.support.events_at_rest import ids, on_topic
from tests.support.faulty_services import FaultyStore
from tests.support.quick_telemetry import quick_config, running
from tests.support.until import until

_BOUND = 200
_WAIT_MS = 300


@pytest.fixture
def kafka_beside() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as broker:
        yield broker


@pytest.mark.parametrize("fault", ["failing", "hanging"])
def test_full_queue_waits_then_refuses(fault: str, kafka_beside: EmbeddedKafka, tmp_path: Path) -> None:
    store = FaultyStore()
    config = quick_config(
        kafka_beside.bootstrap_servers,
        tmp_path,
        storage_config=store.config,
        kafka_timeout_ms=1_000,
        max_retries=0,
        queue_max_events=_BOUND,
        queue_full_timeout_ms=_WAIT_MS,
    )
    with running(config) as telemetry:
        kafka_beside.stop_brokers()
        store.begin(fault)
        receipts = [telemetry.audit.log("step", {"n": number}, "ada") for number in range(_BOUND)]
        store.faults.wait_for("put")

        began = time.monotonic()
        with pytest.raises(BackpressureError, match=f"stayed full for {_WAIT_MS} ms"):
            telemetry.audit.log("one too many", {}, "ada")
        assert time.monotonic() - began >= _WAIT_MS / 1_000 * 0.9
        stats = telemetry.audit.get_audit_stats()
        assert (stats.logged, stats.queued, stats.refused) == (_BOUND, _BOUND, 1)
        assert stats.delivered == stats.stored == stats.failed == 0

        store.clear()
        for receipt in receipts:
            assert receipt.wait_delivered(120).fallback_object is not None
        kafka_beside.start_brokers()
        until(lambda: not telemetry.audit.get_audit_stats().diverted, timeout=180, what="direct sending")

    values = on_topic(config)
    assert ids(values) == {receipt.event_id for receipt in receipts}
    sequences = list(dict.fromkeys(int(value["sequence"]) for value in values))
    assert sequences == list(range(len(sequences)))
