"""Every alert on numbers that were really scraped: a pipeline runs into the fault, its exporter is read, promtool judges."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry import audited, audited_calls
from telemetry.archive.writing.counts import ArchiveTally
from telemetry.archive.writing.metrics import ArchiveMetrics
from telemetry.archive.writing.topic_view import Lag
from telemetry.audit.watch import parts
from telemetry.config.gateway.shared_streams import SharedStreamsConfig
from telemetry.exceptions import EventError, UndeliveredError
from telemetry.forward.counts import ForwardTally, State
from telemetry.forward.metrics import ForwardMetrics
from telemetry.outbox import OutboxRelay
from telemetry.outbox.relay_counts import RelayTally
from telemetry.outbox.relay_metrics import RelayMetrics
from telemetry.outbox.rows import Backlog
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.support.alert_rules import RuleCheck, rules
from tests.support.disks import failing_writes
from tests.support.faulty_services import FaultyKeys, FaultyStore
from tests.support.outbox_tables import OutboxSite, row
from tests.support.quick_telemetry import NOWHERE, as_shop, quick_config, running
from tests.support.rule_metrics import series_names, used_names
from tests.support.scraping import Exporter, exporting, written
from tests.support.until import until

TOPIC = {"job": "shop", "topic": "audit-events"}
_TOO_LARGE = 10


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exporter]:
    with exporting(monkeypatch) as found:
        yield found


@pytest.fixture
def check(promtool: Path, tmp_path: Path) -> RuleCheck:
    return RuleCheck(promtool, tmp_path)


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(partitions=1) as broker:
        yield broker


def test_the_rules_name_series_that_exist() -> None:
    used = {name for rule in rules().values() for name in used_names(rule["expr"])}
    assert len(used) >= 14
    assert used <= series_names()


def test_a_process_without_faults_alerts_nobody(
    exporter: Exporter, check: RuleCheck, kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    config = quick_config(kafka.bootstrap_servers, tmp_path, spool_path=tmp_path / "spool")
    with running(as_shop(config)) as telemetry:
        first = exporter.scrape()
        for number in range(20):
            telemetry.audit.log("step", {"n": number}, "ada").wait_delivered(60)
        second = exporter.scrape()

    check.fires([(0, first), (5, second)], at=60)


def test_lost_and_refused_without_a_caller(
    exporter: Exporter, check: RuleCheck, kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    bounds = {"queue_max_events": 10, "queue_full_timeout_ms": 10}
    telemetry = Telemetry(quick_config(kafka.bootstrap_servers, tmp_path, fallback_enabled=False, **bounds))
    telemetry.start()
    kafka.stop_brokers()
    for _ in range(8):
        telemetry.audit.log("step", {}, "ada")
    first = exporter.scrape()
    for _ in range(5):
        telemetry.audit.log("step", {}, "ada", wait_for="offered")
    until(lambda: exporter.value("audit_events_lost_total") > 0, what="the loss")
    second = exporter.scrape()
    with pytest.raises(UndeliveredError):
        telemetry.shutdown(0.1)
    third = exporter.scrape()

    refused = {"job": "shop", "error": "BackpressureError"}
    full = ("AuditSpoolNearFull", TOPIC)
    check.fires([(0, first), (2, second)], ("AuditEventsLost", refused), ("AuditRefused", refused), full, at=4)
    undelivered = ("AuditEventsLost", {"job": "shop", "error": "UndeliveredError"})
    check.fires([(0, second), (2, third)], ("AuditEventsFailed", TOPIC), undelivered, at=4)


def test_refused_event(exporter: Exporter, check: RuleCheck, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    with running(as_shop(quick_config(kafka.bootstrap_servers, tmp_path))) as telemetry:
        first = exporter.scrape()
        with pytest.raises(EventError):
            telemetry.audit.log("", {}, "ada")
        second = exporter.scrape()

    check.fires([(0, first), (2, second)], ("AuditRefused", {"job": "shop", "error": "EventError"}), at=4)


def test_diverted_for_ten_minutes(exporter: Exporter, check: RuleCheck, tmp_path: Path) -> None:
    with running(quick_config(NOWHERE, tmp_path)) as telemetry:
        first = exporter.scrape()
        telemetry.audit.log("step", {}, "ada").wait_delivered(60)
        until(lambda: exporter.value("audit_kafka_diverted") == 1, what="the diversion")
        second = exporter.scrape()

    check.fires([(0, first), (2, second)], at=11)
    check.fires([(0, first), (2, second)], ("AuditDiverted", TOPIC), at=13)
    check.fires([(0, first), (2, second), (8, first)], at=13)


def test_backlog_that_grows_or_grows_old(
    exporter: Exporter, check: RuleCheck, kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    """Kafka is back, and the store cannot be read: nothing is replayed, and the state stays diverted."""
    store = FaultyStore()
    config = quick_config(kafka.bootstrap_servers, tmp_path, storage_config=store.config, kafka_timeout_ms=2_000)
    with running(config) as telemetry:
        first = exporter.scrape()
        kafka.stop_brokers()
        telemetry.audit.log("step", {}, "ada").wait_delivered(60)
        until(lambda: exporter.value("audit_fallback_backlog_events") == 1, what="the backlog")
        second = exporter.scrape()
        telemetry.audit.log("step", {}, "ada").wait_delivered(60)
        until(lambda: exporter.value("audit_fallback_backlog_events") == 2, what="a longer backlog")
        third = exporter.scrape()
        kafka.start_brokers()

    diverted, growing = ("AuditDiverted", TOPIC), ("AuditBacklogGrowing", TOPIC)
    check.fires([(0, first), (30, second)], diverted, at=50)
    check.fires([(0, first), (30, second), (50, third)], diverted, growing, at=70)
    # After that nothing is added: only the age tells it.
    check.fires([(0, first), (30, second), (50, third)], diverted, at=110)
    (age,) = [name for name in third if name.startswith("audit_fallback_oldest_age_seconds")]
    old = {**third, age: 2_000.0}
    check.fires([(0, old)], diverted, growing, at=31)


def test_rejected_for_good(exporter: Exporter, check: RuleCheck, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    with running(quick_config(kafka.bootstrap_servers, tmp_path)) as telemetry:
        first = exporter.scrape()
        kafka.fail_produce(_TOO_LARGE, count=10_000)
        telemetry.audit.log("step", {}, "ada").wait_delivered(120)
        until(lambda: exporter.value("audit_fallback_rejected_total") == 1, what="the refusal")
        kafka.fail_produce(0, count=0)
        second = exporter.scrape()

    check.fires([(0, first), (2, second)], ("AuditRecordsRejected", {"job": "shop", "reason": "too_large"}), at=4)


def test_event_that_waits_for_minutes(
    exporter: Exporter, check: RuleCheck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LaterClock:
        """The clock of what is asked for ages, six minutes ahead."""

        @staticmethod
        def monotonic() -> float:
            return time.monotonic() + 360

    config = quick_config(NOWHERE, tmp_path, kafka_timeout_ms=300_000, batch_timeout_ms=60_000, batch_size_kb=1_000)
    with running(config, timeout=5) as telemetry:
        telemetry.audit.log("step", {}, "ada")
        first = exporter.scrape()
        monkeypatch.setattr(parts, "time", LaterClock)
        second = exporter.scrape()

    check.fires([(0, first)], at=4)
    check.fires([(0, first), (2, second)], ("AuditUndelivered", TOPIC), at=4)


def test_key_service_gives_no_new_key(
    exporter: Exporter, check: RuleCheck, kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    keys = FaultyKeys()
    config = quick_config(
        kafka.bootstrap_servers,
        tmp_path,
        encryption_enabled=True,
        encryption_config=keys.config,
        data_key_max_age_seconds=0.5,
        data_key_grace_seconds=3_600,
    )
    with running(config) as telemetry:
        first = exporter.scrape()
        keys.begin("failing")

        def is_overdue() -> bool:
            telemetry.audit.log("step", {}, "ada").wait_delivered(60)
            return exporter.value("audit_data_key_overdue") == 1

        until(is_overdue, what="the overdue key")
        second = exporter.scrape()
        keys.clear()

    check.fires([(0, first), (2, second)], ("AuditDataKeyOverdue", TOPIC), at=4)


def test_service_that_used_up_its_share(
    exporter: Exporter, check: RuleCheck, kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    shares = SharedStreamsConfig(max_share=0.05)
    bounds = {"queue_max_events": 200, "queue_full_timeout_ms": 10}
    config = quick_config(kafka.bootstrap_servers, tmp_path, shared_streams=shares, fallback_enabled=False, **bounds)
    with running(as_shop(config)) as telemetry:
        payments = telemetry.audit.on_behalf_of("payments")
        payments.log("step", {}, "ada").wait_delivered(60)
        first = exporter.scrape()
        kafka.stop_brokers()
        receipts = [payments.log("step", {}, "ada", wait_for="offered") for _ in range(10)]
        second = exporter.scrape()
        kafka.start_brokers()
        for receipt in receipts:
            receipt.wait_delivered(60)

    check.fires([(0, first), (2, second)], ("AuditStreamShareFull", TOPIC), at=8)


def test_disk_of_the_spool_fails(exporter: Exporter, check: RuleCheck, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    config = quick_config(kafka.bootstrap_servers, tmp_path, spool_path=tmp_path / "spool")
    with running(config) as telemetry:
        telemetry.audit.log("step", {}, "ada").wait_delivered(60)
        first = exporter.scrape()
        (segment,) = (tmp_path / "spool").glob("*.spool")
        with failing_writes(segment.with_name(f"{segment.name}-wal")):
            telemetry.audit.log("step", {}, "ada").wait_delivered(60)
            until(lambda: exporter.value("audit_spool_broken") == 1, what="the broken disk")
            second = exporter.scrape()

    check.fires([(0, first), (2, second)], ("AuditSpoolBroken", TOPIC), at=4)


def test_hook_that_could_not_log(
    exporter: Exporter, check: RuleCheck, kafka: EmbeddedKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audited_calls, "_failures", None)

    @audited("order.refunded")
    def refund() -> str:
        return "done"

    with running(as_shop(quick_config(kafka.bootstrap_servers, tmp_path))):
        first = exporter.scrape()
    # Nothing runs any more, and this is the first call.
    assert refund() == "done"
    second = exporter.scrape()

    check.fires([(0, first), (2, second)], ("AuditHookFailed", {"job": "shop", "hook": "audited"}), at=4)


def test_outbox_that_is_not_relayed(exporter: Exporter, check: RuleCheck, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    site = OutboxSite.in_sqlite(tmp_path)
    table = {"table": "telemetry_outbox"}
    with running(as_shop(quick_config(kafka.bootstrap_servers, tmp_path))) as telemetry:
        with OutboxRelay(telemetry, site.url):
            until(lambda: exporter.value("audit_outbox_leader") == 1, what="the leader")
            healthy = exporter.scrape()
            site.insert(row(1))
            until(lambda: exporter.value("audit_outbox_held_rows") == 1, what="the row that is held")
            held = exporter.scrape()
        rival = OutboxRelay(telemetry, site.url)
        rival._metrics.begin()
        without = exporter.scrape()
        rival._metrics.end()

    check.fires([(0, healthy)], at=10)
    refused = ("AuditRefused", {"job": "shop", "error": "EventError"})
    check.fires([(0, healthy), (2, held)], ("AuditOutboxHeld", table), refused, at=4)
    check.fires([(0, healthy), (2, without)], ("AuditOutboxWithoutRelay", table), at=8)


def test_old_row_of_an_outbox(exporter: Exporter, check: RuleCheck) -> None:
    tally = RelayTally()
    tally.leads(True)  # noqa: FBT003 - its only argument
    tally.observed(Backlog(waiting=3, held=0, oldest_age_seconds=301.0))
    shown = RelayMetrics(tally, table="telemetry_outbox")
    shown.begin()
    check.fires([(0, exporter.scrape())], ("AuditOutboxOld", {"table": "telemetry_outbox"}), at=4)
    shown.end()


def test_forwarder_that_is_behind_stopped_or_leaves_out(exporter: Exporter, check: RuleCheck) -> None:
    forwarder = {"group": "siem", "target": "http"}
    tally = ForwardTally()
    shown = ForwardMetrics(tally, **forwarder)
    shown.begin()
    tally.enter(State.FORWARDING)
    healthy = exporter.scrape()
    tally.holds(time.time() - 1_000)
    behind = exporter.scrape()
    tally.holds(None)
    tally.add(damaged=1)
    left_out = exporter.scrape()
    tally.failed("401", State.REFUSED)
    stopped = exporter.scrape()
    shown.end()

    check.fires([(0, healthy)], at=20)
    check.fires([(0, behind)], ("AuditForwardBehind", forwarder), at=4)
    check.fires([(0, healthy), (2, left_out)], ("AuditForwardLeftOut", forwarder), at=4)
    check.fires([(0, stopped)], ("AuditForwardStopped", forwarder), at=11)


def test_archiver_that_is_behind_stopped_or_loses(exporter: Exporter, check: RuleCheck) -> None:
    topic = {"topic": "audit-events"}
    tally = ArchiveTally()
    shown = ArchiveMetrics(tally, **topic)
    shown.begin()
    tally.works(is_working=True)
    tally.observed([Lag(0, 5, 0, 10, 40.0)], retention=100.0)
    healthy = exporter.scrape()
    tally.observed([Lag(0, 5, 0, 10, 60.0)], retention=100.0)
    behind = exporter.scrape()
    tally.observed([], retention=100.0)
    tally.committed(number=7, rows=5, objects=0, lost=3)
    lost = exporter.scrape()
    tally.waits(1)
    waiting = exporter.scrape()
    tally.waits(0)
    tally.failed()
    stopped = exporter.scrape()
    shown.end()

    check.fires([(0, healthy)], at=70)
    check.fires([(0, behind)], ("AuditArchiveBehind", topic), at=4)
    check.fires([(0, healthy), (2, lost)], ("AuditArchiveLost", topic), at=4)
    check.fires([(0, waiting)], ("AuditArchiveObjectsWait", topic), at=61)
    check.fires([(0, stopped)], ("AuditArchiveStopped", topic), at=31)


_CRON = {"cronjob": "audit-telemetry-audit-verify", "namespace": "audit"}
_RUN = {"job_name": "audit-telemetry-audit-verify-29500017", "namespace": "audit"}


def test_verification_is_overdue_or_fails(check: RuleCheck) -> None:
    """The series of kube-state-metrics, which has no part in this project: their names are of its documentation."""
    created = {written("kube_cronjob_created", _CRON): 0.0}
    succeeded = {**created, written("kube_cronjob_status_last_successful_time", _CRON): 3_600.0}
    hours = 60
    overdue = ("AuditVerifyOverdue", _CRON)
    check.fires([(0, succeeded)], at=27 * hours)
    check.fires([(0, succeeded)], overdue, at=27 * hours + 2)
    check.fires([(0, created)], at=26 * hours)
    check.fires([(0, created)], overdue, at=26 * hours + 2)
    failed = {
        written("kube_job_status_failed", {**_RUN, "reason": "BackoffLimitExceeded"}): 1.0,
        written("kube_job_status_start_time", _RUN): 600.0,
    }
    check.fires([(0, failed)], ("AuditVerifyFailed", _RUN), at=20)
    check.fires([(0, failed)], at=27 * hours)


def test_every_alert_was_seen_firing() -> None:
    here = Path(__file__).parent
    tests = "".join((here / name).read_text("utf-8") for name in ("test_alert_rules.py", "test_gateway_alerts.py"))
    assert [name for name in rules() if f'("{name}"' not in tests] == []
