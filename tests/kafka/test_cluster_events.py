"""Lets a healthy cluster disturb its clients: leaders move, quotas throttle, callers outnumber the queue."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka.admin import NewTopic

from telemetry.sync import Telemetry
from telemetry.types import AuditStats
from tests.services.kafka import KafkaBroker
from tests.support.java import run_class
from tests.support.kafka_configs import audit_config, identity, stored_in
from tests.support.load_by_user import LoadByUser, compare
from tests.support.second_broker import SecondBroker
from tests.support.until import until

pytestmark = pytest.mark.services

_LIMIT = 120.0
_THROTTLED_LIMIT = 400.0
"""Records that are sent, given up and sent again use up the quota for half a minute each time."""
_QUOTA = 100_000
"""Bytes a second."""


def test_leaders_move_while_events_flow(own_kafka: Callable[..., KafkaBroker], tmp_path: Path) -> None:
    first = own_kafka()
    with SecondBroker(first, tmp_path / "second") as second:
        topic = "replicated"
        admin = first.admin()
        wanted = NewTopic(topic, num_partitions=4, replication_factor=2, config={"min.insync.replicas": "1"})
        for future in admin.create_topics([wanted]).values():
            future.result(_LIMIT)
        first.add_acl("payments", topic)

        def leaders() -> set[int]:
            return {found.leader for found in admin.list_topics(topic, timeout=10).topics[topic].partitions.values()}

        second.process.wait_until(lambda: leaders() == {1, 2}, timeout=_LIMIT)
        fields = {"kafka_timeout_ms": 10_000, "kafka_topic": topic, **stored_in(tmp_path / "fallback")}
        config = audit_config(first, "SSL", identity(first.certificates, "files"), **fields)
        with LoadByUser(config, rate=1_000) as load:
            load.until_more(500)
            second.process.kill()
            until(lambda: leaders() == {1})
            load.until_more(500)
            second.start()
            load.until_more(500)
            load.stop()
            load.until_drained()
            assert load.stats.stored == 0
            compare(first, topic, load.accepted).require_complete()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("timeout_ms", "diverted"), [(10_000, False), (1_000, True)], ids=["within the limits", "past the limits"]
)
def test_quota_throttles_and_nothing_is_lost(
    timeout_ms: int, diverted: bool, kafka: KafkaBroker, topic: str, tmp_path: Path
) -> None:
    client = f"throttled-{timeout_ms}"
    target = ["--entity-type", "clients", "--entity-name", client]
    change = ["--alter", "--add-config", f"producer_byte_rate={_QUOTA}", *target]
    run_class("kafka.admin.ConfigCommand", ["--bootstrap-server", kafka.bootstrap(), *change])
    fields: dict[str, Any] = {"kafka_timeout_ms": timeout_ms, "kafka_options": {"client.id": client}}
    own = identity(kafka.certificates, "files")
    telemetry = Telemetry(audit_config(kafka, "SSL", own, kafka_topic=topic, **fields, **stored_in(tmp_path)))
    telemetry.start()
    chance = random.Random(1)  # noqa: S311 - only incompressible, not secret
    try:
        ids: list[str] = []
        # The first wave is twice what the quota's window of 11 s allows: taken at once, and the next one has to wait.
        for events in (1_000, 10):
            receipts = [
                telemetry.audit.log("step", {"noise": chance.randbytes(1_000).hex()}, f"user-{number % 7}")
                for number in range(events)
            ]
            ids += [receipt.event_id for receipt in receipts]
            for receipt in receipts:
                receipt.wait_delivered(_LIMIT)
        until(
            lambda: _is_done(telemetry.audit.get_audit_stats()),
            timeout=_THROTTLED_LIMIT,
            state=telemetry.audit.get_audit_stats,
        )
        stats = telemetry.audit.get_audit_stats()
    finally:
        telemetry.shutdown()

    found = [msgspec.json.decode(bytes(record.value() or b""))["id"] for record in kafka.read(topic)]
    assert set(found) == set(ids)
    assert (stats.send_errors > 0) == diverted


def _is_done(stats: AuditStats) -> bool:
    return stats.queued == 0 and stats.replayed >= stats.stored and not stats.diverted


def test_more_callers_than_queue_places(kafka: KafkaBroker, topic: str) -> None:
    """Each caller waits for its own report while the reports need the lock that the others hold in turn."""
    own = identity(kafka.certificates, "files")
    fields: dict[str, Any] = {"kafka_topic": topic, "queue_max_events": 16, "queue_full_timeout_ms": 60_000}
    telemetry = Telemetry(audit_config(kafka, "SSL", own, **fields))
    telemetry.start()

    def log_many(number: int) -> int:
        for step in range(40):
            telemetry.audit.log("step", {"step": step}, f"user-{number}", wait_for="delivered")
        return number

    try:
        with ThreadPoolExecutor(32) as callers:
            assert sorted(callers.map(log_many, range(32), timeout=_LIMIT)) == list(range(32))
    finally:
        telemetry.shutdown()
    assert len(kafka.read(topic)) == 32 * 40
