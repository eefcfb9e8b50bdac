"""Sets the machine's clock back or forward by an hour: nothing waits, is lost or out of order."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import uuid_utils

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.encryption.signing_key import SigningKey
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader import FallbackSource, KafkaSource, opened_storage_keys
from telemetry.reader.verify.verdicts import Verdict, VerificationReport
from telemetry.reader.verify.verifier import Verifier
from telemetry.storage import StorageProviderFactory
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig
from tests.support.accounted_load import AccountedLoad, read_trail
from tests.support.events_at_rest import ids, in_fallback, on_topic
from tests.support.faulty_services import FaultyKeys
from tests.support.leftovers import leave_segment, left_in, records
from tests.support.quick_telemetry import as_shop, quick_config, running
from tests.support.until import until

HOUR = 3_600
_TIME, _TIME_NS, _UUID7 = time.time, time.time_ns, uuid_utils.uuid7


class WallClock:
    """The time of day of this process; the monotonic clock goes on, as on a real machine."""

    def __init__(self) -> None:
        self.ahead = 0

    def time(self) -> float:
        return _TIME() + self.ahead

    def time_ns(self) -> int:
        return _TIME_NS() + self.ahead * 1_000_000_000

    def uuid7(self) -> uuid_utils.UUID:
        return _UUID7(nanoseconds=self.time_ns())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    wall_clock = WallClock()
    monkeypatch.setattr(time, "time", wall_clock.time)
    monkeypatch.setattr(time, "time_ns", wall_clock.time_ns)
    monkeypatch.setattr(uuid_utils, "uuid7", wall_clock.uuid7)
    defaults: dict[str, Any] = EventFactory.__init__.__kwdefaults__ or {}
    monkeypatch.setitem(defaults, "wall_clock", wall_clock.time_ns)
    return wall_clock


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(partitions=16) as broker:
        yield broker


@pytest.mark.parametrize("step", [-HOUR, HOUR], ids=["back", "forward"])
def test_clock_jumps_an_hour_during_an_outage(
    step: int, clock: WallClock, kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    signing = SigningKey.create(tmp_path / "signing", "correct horse", name="audit")
    config = quick_config(
        kafka.bootstrap_servers,
        tmp_path,
        kafka_timeout_ms=300,
        spool_path=tmp_path / "spool",
        encryption_enabled=True,
        encryption_config=FaultyKeys().config,
        data_key_max_uses=500,
        signing_config={"key_path": tmp_path / "signing", "passphrase": "correct horse", "every_events": 100},
    )
    with AccountedLoad(config, waits=True) as load:
        load.until_more(300)
        kafka.stop_brokers()
        until(lambda: load.stats.stored > 500)
        clock.ahead += step
        before = load.stats.stored
        until(lambda: load.stats.stored > before + 500)
        kafka.start_brokers()
        load.until_more(300)
        books = load.shutdown(60)

    assert load.lost is None
    books.require_balance()
    assert books.failed == books.spooled == books.raised - load.raised.count("LifecycleError") == 0
    read_trail(config).require_all(books)
    times = sorted(dt.datetime.fromisoformat(value["time"]) for value in on_topic(config) if "sequence" in value)
    assert times[-1] - times[0] > dt.timedelta(seconds=HOUR - 60)
    report = _verify(config, signing.public_key)
    assert report.verdict in (Verdict.COMPLETE, Verdict.DUPLICATE), report.to_dict()


def test_clock_jump_leaves_nothing_unsent(clock: WallClock, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    config = quick_config(kafka.bootstrap_servers, tmp_path, kafka_timeout_ms=300, spool_path=tmp_path / "spool")
    left = records(40)
    leave_segment(tmp_path / "spool", left)
    with running(as_shop(config)) as telemetry:
        kafka.stop_brokers()
        receipts = [telemetry.audit.log("step", {"n": number}, "ada") for number in range(50)]
        until(lambda: telemetry.audit.get_audit_stats().stored == 50)
    assert len(in_fallback(config)) >= 50

    clock.ahead = -HOUR
    kafka.start_brokers()
    with running(as_shop(config)) as telemetry:
        after = [telemetry.audit.log("step", {"n": number}, "ada") for number in range(50)]
        for receipt in after:
            receipt.wait_delivered(60)
        until(lambda: in_fallback(config) == [])

    expected = {receipt.event_id for receipt in (*receipts, *after)} | {record.event_id for record in left}
    assert ids(on_topic(config)) == expected
    assert left_in(tmp_path / "spool") == []


def _verify(config: AuditConfig, public_key: str) -> VerificationReport:
    verifier = Verifier([PublicKey.parse(public_key)])
    assert config.storage_config is not None
    with ExitStack() as stack:
        source = stack.enter_context(KafkaSource(config))
        verifier.observe_all(source)
        for partition, (low, high) in source.bounds.items():
            verifier.note_bounds(config.kafka_topic, partition, low=low, high=high)
        store = stack.enter_context(StorageProviderFactory.create(config.storage_config))
        keys = stack.enter_context(opened_storage_keys(config))
        verifier.observe_all(FallbackSource(store, topic=config.kafka_topic, keys=keys))
    return verifier.report()
