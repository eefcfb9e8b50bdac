"""Breaks the parts of a pipeline in unplanned ways, and checks that every accepted event is accounted for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import pytest

from telemetry.audit.record import SealedRecord
from telemetry.audit.reports import ShutdownReport
from telemetry.audit.send.transport import KafkaTransport
from telemetry.encryption.signing_key import SigningKey
from telemetry.exceptions import BackpressureError, EncryptionError, LifecycleError, TransportError, UndeliveredError
from telemetry.reader import OpenedEvent, RecordOpener
from telemetry.reader.sources.kafka import KafkaSource
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.support.events_at_rest import ids, in_fallback, on_topic
from tests.support.faulty_services import FaultyKeys, FaultyStore
from tests.support.leftovers import leave_segment, left_in, records
from tests.support.quick_telemetry import NOWHERE, as_shop, quick_config, running
from tests.support.raw_records import raw_records
from tests.support.sending_pipeline import sending_pipeline
from tests.support.until import until


@pytest.fixture
def broker() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as embedded:
        yield embedded


def test_key_rotated_just_before_shutdown(broker: EmbeddedKafka, tmp_path: Path) -> None:
    keys = FaultyKeys()
    config = quick_config(
        broker.bootstrap_servers,
        tmp_path,
        encryption_enabled=True,
        encryption_config=keys.config,
        self_audit=True,
        batch_timeout_ms=60_000,
        batch_size_kb=10_240,
        data_key_max_uses=3,
    )
    telemetry = Telemetry(config)
    telemetry.start()
    receipts = [telemetry.audit.log("login", {"n": number}, "ada") for number in range(4)]

    report = telemetry.shutdown(10)

    assert report.delivered + report.stored >= len(receipts)
    assert all(receipt.delivery is not None for receipt in receipts)


def test_failed_start_keeps_no_thread(tmp_path: Path) -> None:
    config = quick_config(
        NOWHERE, tmp_path, fallback_enabled=False, kafka_timeout_ms=50, max_retries=0, spool_path=tmp_path / "spool"
    )
    before = threading.active_count()

    for _ in range(3):
        with pytest.raises(TransportError):
            Telemetry(config).start()

    until(lambda: threading.active_count() <= before, what="the end of every thread")
    assert left_in(tmp_path / "spool") == []


def test_failed_start_leaves_dead_processes_segments(tmp_path: Path, broker: EmbeddedKafka) -> None:
    left = records(3)
    leave_segment(tmp_path / "spool", left)
    config = quick_config(
        NOWHERE, tmp_path, fallback_enabled=False, kafka_timeout_ms=50, max_retries=0, spool_path=tmp_path / "spool"
    )
    with pytest.raises(TransportError):
        Telemetry(as_shop(config)).start()

    works = quick_config(broker.bootstrap_servers, tmp_path, fallback_enabled=False, spool_path=tmp_path / "spool")
    with running(as_shop(works)) as telemetry:
        until(lambda: telemetry.audit.get_audit_stats().recovered == 3)

    assert ids(on_topic(works)) == {record.event_id for record in left}
    assert left_in(tmp_path / "spool") == []


def test_durable_event_outlives_a_long_outage(broker: EmbeddedKafka, tmp_path: Path) -> None:
    config = quick_config(
        broker.bootstrap_servers,
        tmp_path,
        fallback_enabled=False,
        kafka_timeout_ms=1_000,
        max_retries=0,
        spool_path=tmp_path / "spool",
    )
    with running(config) as telemetry:
        broker.stop_brokers()
        receipt = telemetry.audit.log("login", {}, "ada", wait_for="durable")
        until(lambda: telemetry.audit.get_audit_stats().diverted)
        over = time.monotonic() + 2.5
        until(lambda: time.monotonic() > over, what="the end of the delivery time")
        assert telemetry.audit.get_audit_stats().failed == 0
        broker.start_brokers()

        assert receipt.wait_delivered(60).topic == config.kafka_topic


def test_lost_event_without_spool_is_logged(
    tmp_path: Path, broker: EmbeddedKafka, caplog: pytest.LogCaptureFixture
) -> None:
    config = quick_config(
        broker.bootstrap_servers, tmp_path, fallback_enabled=False, kafka_timeout_ms=1_000, max_retries=0
    )
    with running(config) as telemetry, caplog.at_level(logging.ERROR, logger="telemetry"):
        broker.stop_brokers()
        receipt = telemetry.audit.log("login", {}, "ada")
        with pytest.raises(TransportError):
            receipt.wait_delivered(60)
        broker.start_brokers()

    assert any("1 accepted event" in record.getMessage() for record in caplog.records)


def test_refused_record_without_fallback_blocks_no_other(broker: EmbeddedKafka, tmp_path: Path) -> None:
    config = quick_config(
        broker.bootstrap_servers, tmp_path, fallback_enabled=False, kafka_timeout_ms=5_000, max_retries=1
    )
    with running(config) as telemetry:
        broker.fail_produce(10, count=1_000)
        poison = telemetry.audit.log("login", {}, "ada")
        with pytest.raises(TransportError):
            poison.wait_delivered(60)
        broker.fail_produce(0, count=0)

        assert telemetry.audit.log("login", {}, "ada").wait_delivered(60).topic == config.kafka_topic


def test_foreign_exception_of_a_store_loses_nothing(tmp_path: Path) -> None:
    store = FaultyStore()
    config = quick_config(NOWHERE, tmp_path, kafka_timeout_ms=50, max_retries=0, storage_config=store.config)
    with running(config) as telemetry:
        store.faults.failure = RuntimeError("a bug in the store")
        receipt = telemetry.audit.log("login", {}, "ada")
        store.faults.wait_for("put", count=4)
        store.faults.clear()

        assert receipt.wait_delivered(60).fallback_object is not None
    assert [value["id"] for value in in_fallback(config)] == [receipt.event_id]


def test_stuck_sender_events_are_counted_as_lost(broker: EmbeddedKafka, tmp_path: Path) -> None:
    config = quick_config(
        broker.bootstrap_servers, tmp_path, fallback_enabled=False, kafka_timeout_ms=20_000, max_retries=3
    )
    telemetry = Telemetry(config)
    telemetry.start()
    broker.set_latency(30.0)
    receipts = [telemetry.audit.log("login", {"n": number}, f"user-{number}") for number in range(100)]

    with pytest.raises(UndeliveredError) as caught:
        telemetry.shutdown(0.5)

    assert caught.value.count == 100
    assert set(caught.value.event_ids) == {receipt.event_id for receipt in receipts}
    for receipt in receipts:
        with pytest.raises(UndeliveredError):
            receipt.wait_delivered(0)


def test_every_lost_event_is_named(broker: EmbeddedKafka, tmp_path: Path) -> None:
    config = quick_config(broker.bootstrap_servers, tmp_path, fallback_enabled=False, kafka_timeout_ms=20_000)
    telemetry = Telemetry(config)
    telemetry.start()
    broker.stop_brokers()
    receipts = [telemetry.audit.log("login", {"n": number}, "ada") for number in range(3_000)]

    with pytest.raises(UndeliveredError) as caught:
        telemetry.shutdown(0.5)

    assert caught.value.count == len(caught.value.event_ids) == 3_000
    assert set(caught.value.event_ids) == {receipt.event_id for receipt in receipts}


def test_shutdown_during_a_slow_take_back(
    broker: EmbeddedKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = quick_config(broker.bootstrap_servers, tmp_path, fallback_enabled=False, kafka_timeout_ms=20_000)
    telemetry = Telemetry(config)
    telemetry.start()
    broker.set_latency(30.0)
    receipts = [telemetry.audit.log("login", {"n": number}, "ada") for number in range(50)]
    go_on, began, take_back = threading.Event(), threading.Event(), KafkaTransport.take_back

    def slow(transport: KafkaTransport) -> list[SealedRecord]:
        began.set()
        go_on.wait(30)
        return take_back(transport)

    monkeypatch.setattr(KafkaTransport, "take_back", slow)
    sending_pipeline(telemetry._runtime)._dispatcher._transport.fail(TransportError("over"))  # type: ignore[union-attr]
    assert began.wait(20)

    with pytest.raises(UndeliveredError) as caught:
        telemetry.shutdown(0.5)
    go_on.set()

    assert set(caught.value.event_ids) == {receipt.event_id for receipt in receipts}
    assert caught.value.count == 50


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_sender_that_died_refuses_events_at_once(
    broker: EmbeddedKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = quick_config(broker.bootstrap_servers, tmp_path, fallback_enabled=False, spool_path=tmp_path / "spool")
    telemetry = Telemetry(config)
    telemetry.start()
    pipeline = sending_pipeline(telemetry._runtime)

    def crash(*_args: object, **_options: object) -> None:
        message = "a bug"
        raise RuntimeError(message)

    monkeypatch.setattr(KafkaTransport, "send", crash)
    receipt = telemetry.audit.log("login", {"n": 0}, "ada", wait_for="durable")
    until(lambda: pipeline._intake._closed is not None)

    with pytest.raises(LifecycleError, match="the sender has ended because of an unexpected error"):
        telemetry.audit.log("login", {"n": 1}, "ada")
    report = telemetry.shutdown(5)

    assert (report.spooled, report.failed) == (1, 0)
    assert pipeline.stats().refused == 1
    assert not pipeline._dispatcher._transport._poller.is_alive  # type: ignore[union-attr]
    assert [name for name in left_in(tmp_path / "spool") if name.endswith(".spool")] == [f"{receipt.producer}.spool"]


def test_late_store_acknowledgement_is_not_counted(broker: EmbeddedKafka, tmp_path: Path) -> None:
    store = FaultyStore()
    config = quick_config(NOWHERE, tmp_path, storage_config=store.config, spool_path=tmp_path / "spool")
    telemetry = Telemetry(config)
    telemetry.start()
    pipeline = sending_pipeline(telemetry._runtime)
    store.begin("hanging")
    receipts = [telemetry.audit.log("login", {"n": number}, "ada") for number in range(50)]
    store.faults.wait_for("put")

    report = telemetry.shutdown(1)
    store.clear()
    until(lambda: len(store.objects) > 0)

    assert report == ShutdownReport(delivered=0, stored=0, spooled=50)
    until(lambda: not any(thread.name == "telemetry-fallback" for thread in threading.enumerate()))
    assert (pipeline.stats().stored, pipeline.stats().queued) == (0, 50)
    assert all(receipt.delivery is None for receipt in receipts)


def test_spooled_checkpoint_is_no_event(broker: EmbeddedKafka, tmp_path: Path) -> None:
    store = FaultyStore()
    SigningKey.create(tmp_path / "signing", "correct horse", name="audit")
    config = quick_config(
        broker.bootstrap_servers,
        tmp_path,
        storage_config=store.config,
        spool_path=tmp_path / "spool",
        kafka_timeout_ms=200,
        signing_config={"key_path": tmp_path / "signing", "passphrase": "correct horse", "every_events": 10},
    )
    telemetry = Telemetry(config)
    telemetry.start()
    broker.stop_brokers()
    store.begin("failing")
    for number in range(35):
        telemetry.audit.log("login", {"n": number}, "ada").wait_durable(60)

    report = telemetry.shutdown(2)
    store.clear()

    assert report == ShutdownReport(delivered=0, stored=0, spooled=35)


def test_second_shutdown_raises_the_loss_again(tmp_path: Path, broker: EmbeddedKafka) -> None:
    config = quick_config(broker.bootstrap_servers, tmp_path, fallback_enabled=False)
    telemetry = Telemetry(config)
    telemetry.start()
    broker.stop_brokers()
    telemetry.audit.log("login", {}, "ada")

    with pytest.raises(UndeliveredError):
        telemetry.shutdown(0.5)
    with pytest.raises(UndeliveredError):
        telemetry.shutdown(0.5)


def test_concurrent_shutdowns_return_one_report(broker: EmbeddedKafka, tmp_path: Path) -> None:
    config = quick_config(broker.bootstrap_servers, tmp_path)
    telemetry = Telemetry(config)
    telemetry.start()
    broker.set_latency(0.3)
    telemetry.audit.log("login", {}, "ada")
    reports = []
    threads = [threading.Thread(target=lambda: reports.append(telemetry.shutdown(10))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(reports) == 3
    assert {report.delivered + report.stored for report in reports} == {1}


def test_every_call_that_raised_is_counted(tmp_path: Path, broker: EmbeddedKafka) -> None:
    keys = FaultyKeys()
    config = quick_config(
        broker.bootstrap_servers,
        tmp_path,
        encryption_enabled=True,
        encryption_config=keys.config,
        data_key_max_uses=1,
        data_key_wait_ms=20_000,
    )
    with running(config) as telemetry:
        keys.faults.wait_for("generate", count=1)
        keys.faults.failure = EncryptionError("no key today")
        telemetry.audit.log("login", {}, "ada")
        with pytest.raises(EncryptionError):
            telemetry.audit.log("login", {}, "ada")

        assert telemetry.audit.get_audit_stats().refused == 1


def test_calls_waiting_at_shutdown_are_refused(tmp_path: Path) -> None:
    store = FaultyStore()
    config = quick_config(
        NOWHERE,
        tmp_path,
        storage_config=store.config,
        kafka_timeout_ms=50,
        max_retries=0,
        queue_max_events=1,
        queue_full_timeout_ms=60_000,
    )
    telemetry = Telemetry(config)
    telemetry.start()
    store.faults.gate.clear()
    telemetry.audit.log("login", {}, "ada")
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            telemetry.audit.log("login", {}, "ada")
        except Exception as exc:  # noqa: BLE001 - looked at below
            errors.append(exc)

    waiting = threading.Thread(target=wait)
    waiting.start()
    pipeline = sending_pipeline(telemetry._runtime)
    until(lambda: pipeline._intake.waiting == 1)
    # Opened after the part of the time that the events which wait are given.
    threading.Timer(1.5, store.faults.gate.set).start()
    telemetry.shutdown(5)
    waiting.join(20)

    assert [type(error).__name__ for error in errors] == ["LifecycleError"]
    assert pipeline.stats().refused == 1


def test_backpressure_is_counted_and_names_the_bound(tmp_path: Path) -> None:
    store = FaultyStore()
    config = quick_config(
        NOWHERE,
        tmp_path,
        storage_config=store.config,
        queue_max_events=3,
        queue_full_timeout_ms=20,
        kafka_timeout_ms=50,
    )
    with running(config) as telemetry:
        store.faults.gate.clear()
        for _ in range(3):
            telemetry.audit.log("login", {}, "ada")
        with pytest.raises(BackpressureError, match="stayed full for 20 ms"):
            telemetry.audit.log("login", {}, "ada")
        assert telemetry.audit.get_audit_stats().refused == 1
        store.faults.clear()


class Role(str, Enum):  # noqa: UP042 - this is what many applications have
    ADMIN = "admin"


def test_enum_as_user_id_opens_untampered(broker: EmbeddedKafka, tmp_path: Path) -> None:
    config = quick_config(broker.bootstrap_servers, tmp_path)
    with running(config) as telemetry:
        telemetry.audit.log(Role.ADMIN, {"role": Role.ADMIN}, Role.ADMIN, actor_id=Role.ADMIN)
    with KafkaSource(config) as source:
        entries = [RecordOpener(None).open(record) for record in raw_records(source)]
    assert [type(entry) for entry in entries] == [OpenedEvent]


def test_delivered_events_leave_no_segment(broker: EmbeddedKafka, tmp_path: Path) -> None:
    config = quick_config(broker.bootstrap_servers, tmp_path, spool_path=tmp_path / "spool")
    with running(config) as telemetry:
        telemetry.audit.log("login", {}, "ada", wait_for="durable")
        assert left_in(tmp_path / "spool")[0].endswith(".spool")
        assert {entry.stat().st_mode & 0o777 for entry in (tmp_path / "spool").iterdir()} == {0o600}
        assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700

    assert left_in(tmp_path / "spool") == []
