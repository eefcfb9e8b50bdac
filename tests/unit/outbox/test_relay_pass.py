from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.exceptions import BackpressureError, OutboxError
from telemetry.outbox import Outbox, OutboxDatabase
from telemetry.outbox.relay_counts import RelayTally
from telemetry.outbox.relay_pass import Patience, RelayPass
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.support.outbox_tables import OutboxSite
from tests.support.quick_telemetry import as_shop, quick_config, running

_TOO_LARGE = 10
"""MESSAGE_TOO_LARGE in Kafka's protocol."""


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(partitions=1) as broker:
        yield broker


@pytest.fixture
def site(tmp_path: Path) -> OutboxSite:
    return OutboxSite.in_sqlite(tmp_path)


@pytest.fixture
def leader(site: OutboxSite) -> Iterator[OutboxDatabase]:
    with site.open() as found:
        assert found.acquire()
        yield found


def log(telemetry: Telemetry, site: OutboxSite, count: int, *, size: int = 1) -> None:
    with site.connection() as connection:
        for number in range(count):
            Outbox(telemetry).log(connection, "order.paid", {"n": number, "text": "x" * size}, "ada")


def test_full_queue_leaves_the_rest_in_order(
    site: OutboxSite, leader: OutboxDatabase, kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    config = quick_config(kafka.bootstrap_servers, tmp_path, queue_max_events=5, queue_full_timeout_ms=0)
    with running(as_shop(config)) as telemetry:
        log(telemetry, site, 30)
        ids = site.ids()
        tally, failures = RelayTally(), 0
        relay_pass = RelayPass(telemetry.audit, database=leader, tally=tally, patience=Patience())
        while site.ids():
            try:
                relay_pass.run(100)
            except BackpressureError:
                failures += 1
                # What is left is what comes after the last one that was delivered.
                assert ids[tally.snapshot().relayed :] == site.ids()

    assert tally.snapshot().relayed == 30
    assert failures > 0


def test_undeleted_row_is_not_sent_again(
    site: OutboxSite, leader: OutboxDatabase, kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    with running(as_shop(quick_config(kafka.bootstrap_servers, tmp_path))) as telemetry:
        log(telemetry, site, 3)
        relay_pass = RelayPass(telemetry.audit, database=leader, tally=RelayTally(), patience=Patience())
        with site.connection() as writer:
            writer.execute("CREATE TRIGGER keep BEFORE DELETE ON telemetry_outbox BEGIN SELECT RAISE(ABORT, 'no'); END")
        with pytest.raises(OutboxError):
            relay_pass.run(100)
        with site.connection() as writer:
            writer.execute("DROP TRIGGER keep")
        assert leader.acquire()

        assert relay_pass.run(100) == 3

        assert site.ids() == []
        assert telemetry.audit.get_audit_stats().logged == 3


def test_too_large_for_kafka_is_held(
    site: OutboxSite, leader: OutboxDatabase, kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    with running(as_shop(quick_config(kafka.bootstrap_servers, tmp_path, fallback_enabled=False))) as telemetry:
        log(telemetry, site, 1)
        tally = RelayTally()
        relay_pass = RelayPass(telemetry.audit, database=leader, tally=tally, patience=Patience())
        kafka.fail_produce(_TOO_LARGE, count=1_000)

        relay_pass.run(100)

        kafka.fail_produce(_TOO_LARGE, count=0)
    ((reason,),) = site.query("SELECT held FROM telemetry_outbox")
    assert reason.startswith("RecordTooLargeError")
    assert (tally.snapshot().held, tally.snapshot().relayed) == (1, 0)
