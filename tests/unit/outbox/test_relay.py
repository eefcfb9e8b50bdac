from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from telemetry.exceptions import LifecycleError, OutboxError
from telemetry.outbox import Outbox, OutboxRelay, relay, sqlite
from telemetry.reader import KafkaSource, OpenedEvent, TrailReader
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.services.postgres import PostgresServer
from tests.support.outbox_tables import OutboxSite, Row, row
from tests.support.quick_telemetry import as_shop, quick_config, running
from tests.support.until import until


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(partitions=1) as broker:
        yield broker


@pytest.fixture(params=["postgresql", "sqlite"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> OutboxSite:
    if request.param == "sqlite":
        return OutboxSite.in_sqlite(tmp_path)
    return OutboxSite.in_postgres(request.getfixturevalue("postgres"))


@pytest.fixture
def lite_site(tmp_path: Path) -> OutboxSite:
    return OutboxSite.in_sqlite(tmp_path)


@pytest.fixture
def telemetry(kafka: EmbeddedKafka, tmp_path: Path) -> Iterator[Telemetry]:
    with running(as_shop(quick_config(kafka.bootstrap_servers, tmp_path))) as started:
        yield started


def log(telemetry: Telemetry, site: OutboxSite, *numbers: int, user_id: str = "ada") -> None:
    with site.connection() as connection:
        for number in numbers:
            Outbox(telemetry).log(connection, "order.paid", {"n": number}, user_id)


def on_topic(kafka: EmbeddedKafka, tmp_path: Path) -> list[OpenedEvent]:
    config = quick_config(kafka.bootstrap_servers, tmp_path)
    with KafkaSource(config) as source:
        return [item for item in TrailReader(source, provider=None) if isinstance(item, OpenedEvent)]


def numbers(kafka: EmbeddedKafka, tmp_path: Path) -> list[Any]:
    return [item.event.payload["n"] for item in on_topic(kafka, tmp_path)]


def test_rows_are_delivered_in_order_and_deleted(
    site: OutboxSite, telemetry: Telemetry, kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    log(telemetry, site, 3, 1, 2)

    with OutboxRelay(telemetry, site.url) as running_relay:
        until(lambda: running_relay.counts.relayed == 3, state=lambda: running_relay.counts)

    assert site.ids() == []
    assert numbers(kafka, tmp_path) == [3, 1, 2]


def test_drain_ends_with_an_empty_table(site: OutboxSite, telemetry: Telemetry) -> None:
    log(telemetry, site, *range(25))

    counts = OutboxRelay(telemetry, site.url, batch_rows=10).drain(timeout=30)

    assert (counts.relayed, counts.waiting, counts.held) == (25, 0, 0)
    assert site.ids() == []


def test_poison_row_is_held_and_others_pass(site: OutboxSite, telemetry: Telemetry) -> None:
    log(telemetry, site, 1)
    site.insert(Row(event_id=row(9).event_id, data=b"rubbish"))
    log(telemetry, site, 2)

    counts = OutboxRelay(telemetry, site.url).drain(timeout=30)

    assert (counts.relayed, counts.held, counts.held_rows, counts.waiting) == (2, 1, 1, 0)
    ((event_id, reason),) = site.query("SELECT event_id, held FROM telemetry_outbox")
    assert event_id == row(9).event_id
    assert reason.startswith("EventError: ")
    assert "rubbish" not in reason


def test_second_relay_takes_over(site: OutboxSite, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "_TAKEOVER_SECONDS", 0.05)
    first, second = OutboxRelay(telemetry, site.url), OutboxRelay(telemetry, site.url)
    with first:
        until(lambda: first.counts.is_leader)
        with second:
            log(telemetry, site, 1)
            until(lambda: first.counts.relayed == 1)
            assert not second.counts.is_leader

            first.stop()
            log(telemetry, site, 2)

            until(lambda: second.counts.relayed == 1, state=lambda: second.counts)
    assert site.ids() == []


def test_drain_beside_a_leader_is_refused(site: OutboxSite, telemetry: Telemetry) -> None:
    with OutboxRelay(telemetry, site.url) as leader:
        until(lambda: leader.counts.is_leader)

        with pytest.raises(OutboxError, match="another relay"):
            OutboxRelay(telemetry, site.url).drain(timeout=5)


def test_late_commit_of_lower_id_is_delivered(
    postgres: PostgresServer, telemetry: Telemetry, kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    site = OutboxSite.in_postgres(postgres)
    outbox = Outbox(telemetry)
    with OutboxRelay(telemetry, site.url, poll_seconds=0.05) as leader, closing(site.connect()) as early:
        outbox.log(early, "order.paid", {"n": 1}, "ada")
        log(telemetry, site, 2, 3)
        until(lambda: leader.counts.relayed == 2, state=lambda: leader.counts)

        early.commit()

        until(lambda: leader.counts.relayed == 3, state=lambda: leader.counts)
    assert numbers(kafka, tmp_path) == [2, 3, 1]


def test_lost_session_sends_nothing_twice(
    postgres: PostgresServer,
    telemetry: Telemetry,
    kafka: EmbeddedKafka,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay, "_FIRST_WAIT", 0.01)
    site = OutboxSite.in_postgres(postgres)
    with OutboxRelay(telemetry, site.url, poll_seconds=0.01) as leader:
        until(lambda: leader.counts.is_leader)
        for number in range(20):
            log(telemetry, site, number)
            site.end_session_of_leader()
        until(lambda: leader.counts.relayed == 20, state=lambda: leader.counts)

    assert numbers(kafka, tmp_path) == list(range(20))
    with KafkaSource(quick_config(kafka.bootstrap_servers, tmp_path)) as source:
        assert sum(1 for _ in source) == 20


def test_relay_goes_on_after_a_restart(
    own_postgres: PostgresServer, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_LONGEST_WAIT", 0.2)
    site = OutboxSite.in_postgres(own_postgres)
    with OutboxRelay(telemetry, site.url, poll_seconds=0.05) as leader:
        log(telemetry, site, 1)
        until(lambda: leader.counts.relayed == 1)
        own_postgres.process.kill()
        until(lambda: leader.counts.failures > 0)
        assert not leader.counts.is_leader

        own_postgres.start()
        log(telemetry, site, 2)

        until(lambda: leader.counts.relayed == 2, state=lambda: leader.counts)
        assert leader.counts.last_error == ""


def test_rows_stay_while_nothing_is_delivered(lite_site: OutboxSite, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    config = quick_config(kafka.bootstrap_servers, tmp_path, fallback_enabled=False)
    with running(as_shop(config)) as telemetry:
        log(telemetry, lite_site, 1, 2)
        kafka.set_latency(3600)
        leader = OutboxRelay(telemetry, lite_site.url)
        leader.start()
        until(lambda: leader.counts.is_leader)

        assert leader.stop(0.1)

        assert leader.counts.relayed == 0
        assert len(lite_site.ids()) == 2
        kafka.set_latency(0)


def test_locked_file_repeats_nothing(
    lite_site: OutboxSite,
    telemetry: Telemetry,
    kafka: EmbeddedKafka,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.05)
    log(telemetry, lite_site, 1, 2)

    with closing(lite_site.connect()) as writer:
        # Rows may be read and delivered; the relay cannot delete them until the writer ends.
        writer.execute("BEGIN IMMEDIATE")
        with OutboxRelay(telemetry, lite_site.url) as running_relay:
            until(lambda: running_relay.counts.failures > 0, state=lambda: running_relay.counts)
            assert len(lite_site.ids()) == 2
            writer.rollback()
            until(lambda: running_relay.counts.relayed == 2, state=lambda: running_relay.counts)

    assert lite_site.ids() == []
    assert numbers(kafka, tmp_path) == [1, 2]


def test_relay_is_started_once(lite_site: OutboxSite, telemetry: Telemetry) -> None:
    with OutboxRelay(telemetry, lite_site.url) as leader, pytest.raises(LifecycleError, match="already"):
        leader.start()


def test_stopped_relay_starts_again(lite_site: OutboxSite, telemetry: Telemetry) -> None:
    leader = OutboxRelay(telemetry, lite_site.url)
    for number in (1, 2):
        log(telemetry, lite_site, number)
        with leader:
            until(lambda: lite_site.ids() == [])
        assert not leader.is_alive

    assert leader.counts.relayed == 2


def test_wake_ends_the_pause(lite_site: OutboxSite, telemetry: Telemetry) -> None:
    with OutboxRelay(telemetry, lite_site.url, poll_seconds=3_600) as leader:
        until(lambda: leader.counts.is_leader)
        log(telemetry, lite_site, 1)

        def is_relayed() -> bool:
            # The leader may begin its pause after the first call.
            leader.wake()
            return leader.counts.relayed == 1

        until(is_relayed)


def test_ended_pipeline_leaves_the_rows(lite_site: OutboxSite, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    with running(as_shop(quick_config(kafka.bootstrap_servers, tmp_path))) as telemetry:
        log(telemetry, lite_site, 1)

    with pytest.raises(LifecycleError):
        OutboxRelay(telemetry, lite_site.url).drain(timeout=5)
    assert len(lite_site.ids()) == 1
