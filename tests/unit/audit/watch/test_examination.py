from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from telemetry.audit.watch import examination
from telemetry.exceptions import KeyUnreachableError, SpoolError, SubjectStoreError, TelemetryError
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.support.faulty_services import FaultyKeys, FaultyStore
from tests.support.quick_telemetry import NOWHERE, quick_config
from tests.support.until import until


class Site:
    """A pipeline whose services fail on request."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = FaultyStore()
        self.keys = FaultyKeys()
        self.started: list[Telemetry] = []

    def start(self, brokers: str = NOWHERE, **changes: Any) -> Telemetry:
        values = {"storage_config": self.store.config} | changes
        telemetry = Telemetry(quick_config(brokers, self.folder, **values))
        self.started.append(telemetry)
        telemetry.start()
        return telemetry

    def end(self) -> None:
        self.store.clear()
        self.keys.clear()
        for telemetry in self.started:
            telemetry.shutdown(20)


@pytest.fixture
def broker() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as running:
        yield running


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.end()


def codes(telemetry: Telemetry) -> list[str]:
    return [reason.code for reason in telemetry.health().reasons]


def _is_logged(telemetry: Telemetry, user_id: str = "ada") -> bool:
    try:
        telemetry.audit.log("step", {}, user_id)
    except (KeyUnreachableError, SubjectStoreError):
        return False
    return True


def test_life_of_a_pipeline(tmp_path: Path) -> None:
    telemetry = Telemetry(quick_config(NOWHERE, tmp_path))
    assert telemetry.health().state == "not_started"
    assert codes(telemetry) == ["not_started"]

    telemetry.start()
    assert telemetry.health().state == "running"
    assert telemetry.health().ready

    telemetry.shutdown(20)
    assert telemetry.health().state == "stopped"
    assert codes(telemetry) == ["stopped"]


def test_shutdown_before_a_start_is_stopped(tmp_path: Path) -> None:
    telemetry = Telemetry(quick_config(NOWHERE, tmp_path))

    telemetry.shutdown(1)

    assert codes(telemetry) == ["stopped"]


def test_shutdown_under_way_is_stopping(site: Site) -> None:
    telemetry = site.start()
    site.store.begin("hanging")
    telemetry.audit.log("step", {}, "ada")
    until(lambda: telemetry.health().diverted)

    ending = threading.Thread(target=telemetry.shutdown, args=(20,))
    ending.start()
    until(lambda: telemetry.health().state == "stopping")

    assert codes(telemetry) == ["stopped"]
    site.store.clear()
    ending.join()
    assert telemetry.health().state == "stopped"


def test_delivery_is_seen(broker: EmbeddedKafka, site: Site) -> None:
    telemetry = site.start(broker.bootstrap_servers)
    assert telemetry.health().last_delivered_at is None

    telemetry.audit.log("step", {}, "ada").wait_delivered(60)

    health = telemetry.health()
    assert health.ready
    assert health.last_delivered_at is not None
    assert (health.diverted, health.diverted_since, health.queued) == (False, None, 0)


def test_outage_with_a_store_stays_ready(site: Site) -> None:
    telemetry = site.start()

    telemetry.audit.log("step", {}, "ada").wait_delivered(60)

    health = telemetry.health()
    assert health.ready
    assert (health.diverted, health.diverted_reason) == (True, "unavailable")
    assert health.diverted_since is not None
    assert (health.backlog_objects, health.backlog_events) == (1, 1)
    assert health.backlog_bytes > 0


def test_outage_of_everything_is_nowhere_safe(site: Site) -> None:
    telemetry = site.start()
    site.store.begin("failing")

    telemetry.audit.log("step", {}, "ada")
    until(lambda: codes(telemetry) == ["nowhere_safe"], state=telemetry.health)
    assert telemetry.health().oldest_undelivered_seconds > 0

    site.store.clear()
    until(lambda: telemetry.health().ready, state=telemetry.health)


def test_hanging_store_is_nowhere_safe(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "_STALLED_SECONDS", 0.05)
    telemetry = site.start()
    site.store.begin("hanging")

    telemetry.audit.log("step", {}, "ada")

    until(lambda: codes(telemetry) == ["nowhere_safe"], state=telemetry.health)


def test_spool_keeps_it_ready_without_any_store(site: Site, tmp_path: Path) -> None:
    telemetry = site.start(spool_path=tmp_path / "spool")
    site.store.begin("failing")

    telemetry.audit.log("step", {}, "ada", wait_for="durable")
    until(lambda: telemetry.health().diverted)

    health = telemetry.health()
    assert health.ready
    assert health.spool_bytes is not None
    assert health.spool_max_bytes is not None
    assert 0 < health.spool_bytes < health.spool_max_bytes


def test_broken_spool_and_outage_is_nowhere_safe(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry = site.start(spool_path=tmp_path / "spool")
    site.store.begin("failing")

    def fail(*_arguments: object, **_named: object) -> None:
        message = "the disk is full"
        raise SpoolError(message)

    with monkeypatch.context() as patched:
        patched.setattr("telemetry.audit.spool.segment.SpoolSegment.append", fail)
        telemetry.audit.log("step", {}, "ada")
        until(lambda: codes(telemetry) == ["nowhere_safe"], state=telemetry.health)


def test_hanging_disk_is_nowhere_safe(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "_STALLED_SECONDS", 0.05)
    telemetry = site.start(spool_path=tmp_path / "spool")
    gate = threading.Event()

    def hang(*_arguments: object, **_named: object) -> None:
        gate.wait(60)
        message = "the disk hangs"
        raise SpoolError(message)

    with monkeypatch.context() as patched:
        patched.setattr("telemetry.audit.spool.segment.SpoolSegment.append", hang)
        telemetry.audit.log("step", {}, "ada")
        until(lambda: codes(telemetry) == ["nowhere_safe"], state=telemetry.health)
        assert telemetry.health().oldest_undelivered_seconds > 0
        gate.set()


def test_full_queue_is_not_ready(site: Site) -> None:
    telemetry = site.start(queue_max_events=2, queue_full_timeout_ms=0)
    site.store.begin("hanging")
    for _ in range(2):
        telemetry.audit.log("step", {}, "ada")

    assert "queue_full" in codes(telemetry)
    assert telemetry.health().queue_fill == 1.0

    site.store.clear()
    until(lambda: telemetry.health().ready, state=telemetry.health)
    assert telemetry.health().queue_fill == 0


def test_subject_store_away_past_the_lease(site: Site, broker: EmbeddedKafka) -> None:
    file = site.folder / "subjects.db"
    telemetry = site.start(
        broker.bootstrap_servers,
        encryption_enabled=True,
        encryption_config=site.keys.config,
        key_mode="hmac",
        key_hmac_secret="k" * 32,
        subject_keys={"store": f"sqlite:///{file}", "lease_seconds": 10},
        data_key_wait_ms=300_000,
    )
    telemetry.audit.log("step", {}, "ada").wait_delivered(60)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        first = threading.Thread(target=_is_logged, args=(telemetry, "grace"))
        first.start()
        # The first event of a new user waits for its key, and is no sign of a queue that is full.
        until(lambda: telemetry.health().waiting == 1)
        assert codes(telemetry) == []
        assert _is_logged(telemetry, "ada")

        until(lambda: codes(telemetry) == ["no_data_key"])
        assert not _is_logged(telemetry, "ada")
        other.execute("ROLLBACK")
    first.join(60)
    until(lambda: codes(telemetry) == [])
    assert _is_logged(telemetry, "ada")


def test_missing_data_key_is_not_ready_until_it_is_back(site: Site) -> None:
    telemetry = site.start(encryption_enabled=True, encryption_config=site.keys.config, data_key_max_uses=1)
    site.keys.begin("failing")
    until(lambda: not _is_logged(telemetry))
    assert "no_data_key" in codes(telemetry)
    assert telemetry.health().refused == 1

    # Nobody logs meanwhile: a service that is out of traffic becomes ready by itself.
    site.keys.clear()
    until(lambda: telemetry.health().ready, state=telemetry.health)


def test_key_past_its_age_is_overdue(site: Site) -> None:
    telemetry = site.start(
        encryption_enabled=True,
        encryption_config=site.keys.config,
        data_key_max_age_seconds=1,
        data_key_grace_seconds=3_600,
    )
    telemetry.audit.log("step", {}, "ada")
    assert not telemetry.health().data_key_overdue
    site.keys.begin("failing")

    def log_and_look() -> bool:
        telemetry.audit.log("step", {}, "ada")
        return telemetry.health().data_key_overdue

    until(log_and_look, state=telemetry.health)
    health = telemetry.health()
    assert health.ready
    assert health.data_key_age_seconds is not None
    assert health.data_key_age_seconds >= 1


def test_dead_sender_is_not_ready(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry = site.start()

    def fail(*_arguments: object) -> None:
        message = "bug"
        raise RuntimeError(message)

    monkeypatch.setattr("telemetry.audit.send.batcher.AuditBatcher.take", fail)
    monkeypatch.setattr("threading.excepthook", lambda _args: None)

    until(lambda: codes(telemetry) == ["sender_failed"], state=telemetry.health)


def test_health_does_not_wait_for_a_start(tmp_path: Path, site: Site) -> None:
    config = quick_config(NOWHERE, tmp_path, encryption_enabled=True, encryption_config=site.keys.config)
    telemetry = Telemetry(config)
    site.keys.begin("hanging")
    starting = threading.Thread(target=telemetry.start)
    starting.start()
    site.keys.faults.wait_for("generate")

    assert telemetry.health().state == "not_started"

    site.keys.clear()
    starting.join()
    telemetry.shutdown(20)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_forked_child_is_ready_and_begins_nothing(site: Site) -> None:
    telemetry = site.start()
    # As if a thread of the parent held it at the moment of the fork.
    with telemetry._runtime._lock:
        child = os.fork()
        if child == 0:
            health = telemetry.health()
            threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("telemetry-")]
            os._exit(0 if health.ready and health.state == "inherited" and not threads else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_health_names_the_counts(site: Site) -> None:
    telemetry = site.start(max_event_bytes=2_000)
    with pytest.raises(TelemetryError):
        telemetry.audit.log("step", {"text": "x" * 5_000}, "ada")

    assert (telemetry.health().refused, telemetry.health().lost) == (1, 0)
