from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.intake import Intake
from telemetry.audit.accept.room import Room
from telemetry.audit.accept.seal_times import SealTimes
from telemetry.audit.accept.stream import ProducerStream
from telemetry.audit.accept.waiting_line import Patience, WaitingLine
from telemetry.audit.accept.waiting_timer import WaitingTimer
from telemetry.audit.ledger import Ledger
from telemetry.audit.metrics.instruments import AuditMetrics
from telemetry.audit.record import SealedRecord
from telemetry.audit.self_audit import SelfAudit
from telemetry.config import TelemetryConfig
from telemetry.exceptions import LifecycleError
from telemetry.types import AuditConfig


class Drafts:
    """Seals nothing, remembers every draft, and stands for the queue too."""

    def __init__(self) -> None:
        self.drafts: list[EventDraft] = []

    def seal(self, draft: EventDraft, producer: str, sequence: int) -> SealedRecord:
        self.drafts.append(draft)
        return SealedRecord.written(draft.id, producer=producer, sequence=sequence, key=draft.key, value=b"{}")

    def add(self, record: SealedRecord) -> None:
        del record


class Rotations:
    def __init__(self) -> None:
        self.waiting: list[tuple[str, str]] = []

    def take_rotations(self) -> Iterator[tuple[str, str]]:
        while self.waiting:
            yield self.waiting.pop(0)


class Bench:
    def __init__(self, *, self_audit: bool = True) -> None:
        audit = AuditConfig(
            kafka_brokers="127.0.0.1:9",
            security_protocol="PLAINTEXT",
            encryption_enabled=False,
            fallback_enabled=False,
            self_audit=self_audit,
        )
        config = TelemetryConfig(service_name="shop", environment="test", audit_config=audit)
        lock, self._drafts = threading.Lock(), Drafts()
        self.keys = Rotations()
        self.intake = Intake(
            ProducerStream(self._drafts),
            lock=lock,
            room=Room(lock=lock, max_events=100, max_bytes=1 << 20),
            line=WaitingLine(max_events=9, max_bytes=1 << 20, patience=Patience(room=60, key=60)),
            queue=self._drafts,
            refusals=Ledger(topic="t", metrics=AuditMetrics(topic="t")),
            timer=WaitingTimer(lock),
            times=SealTimes(lock),
        )
        factory = EventFactory(service_name="shop", environment="test", version="", max_event_bytes=1 << 20)
        self.self_audit = SelfAudit(config, factory=factory, intake=self.intake, keys=self.keys)

    @property
    def events(self) -> list[bytes]:
        """The events as JSON, without their place in the stream."""
        return [draft.json_after_sequence for draft in self._drafts.drafts]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_start_names_process_and_configuration(bench: Bench) -> None:
    bench.self_audit.started()

    (event,) = bench.events
    assert b'"event_type":"telemetry.started","user_id":"telemetry"' in event
    assert b'"pid":%d' % os.getpid() in event
    assert b'"configuration_sha256":"' in event


def test_each_change_is_an_event(bench: Bench) -> None:
    bench.self_audit.fallback_entered("unreachable")
    bench.self_audit.fallback_left()
    bench.self_audit.recovered("018f3b1c-0000-7000-8000-000000000001")
    bench.self_audit.stopped(logged=7, refused=2)

    entered, left, recovered, stopped = bench.events
    assert b'"telemetry.fallback_entered"' in entered
    assert b'"payload":{"reason":"unreachable"}' in entered
    assert b'"telemetry.fallback_left"' in left
    assert b'"payload":{"producer":"018f3b1c-0000-7000-8000-000000000001"}' in recovered
    assert b'"logged":7,"refused":2' in stopped


def test_rotated_key_is_logged_with_next_batch(bench: Bench) -> None:
    bench.keys.waiting = [("kid-1", "fixed://kek")]
    assert bench.events == []

    assert not list(bench.self_audit.before_send([]))

    (event,) = bench.events
    assert b'"payload":{"kid":"kid-1","key_uri":"fixed://kek"}' in event
    bench.self_audit.before_send([])
    assert len(bench.events) == 1


def test_last_rotation_precedes_the_end(bench: Bench) -> None:
    bench.keys.waiting = [("kid-1", "fixed://kek")]

    bench.self_audit.stopped(logged=1, refused=0)

    assert [b"data_key_rotated" in event for event in bench.events] == [True, False]


def test_outage_during_shutdown_is_not_logged(bench: Bench) -> None:
    bench.self_audit.stopped(logged=1, refused=0)

    bench.self_audit.fallback_entered("unreachable")
    bench.self_audit.fallback_left()

    assert len(bench.events) == 1


def test_closed_intake_is_no_error(bench: Bench) -> None:
    bench.intake.close(LifecycleError("over"))

    bench.self_audit.fallback_entered("unreachable")

    assert bench.events == []


def test_switched_off_it_logs_nothing() -> None:
    bench = Bench(self_audit=False)
    bench.keys.waiting = [("kid-1", "fixed://kek")]

    bench.self_audit.started()
    bench.self_audit.fallback_entered("unreachable")
    bench.self_audit.before_send([])
    bench.self_audit.stopped(logged=0, refused=0)

    assert bench.events == []
