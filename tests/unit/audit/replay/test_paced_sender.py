"""Objects are sent in small parts, no faster than allowed, and only while the turn lasts."""

from __future__ import annotations

import pytest

from telemetry.audit.fallback.backlog import WaitingObject, listed
from telemetry.audit.record import SealedRecord
from telemetry.audit.replay import paced_sender
from telemetry.audit.replay.kafka_link import KafkaLink
from telemetry.audit.replay.paced_sender import InFlight, PacedSender
from tests.support.fake_kafka import FakeKafka
from tests.support.leftovers import records, stored
from tests.support.memory_store import MemoryStore
from tests.support.replay_parts import TOPIC, SwitchedLock


class Clock:
    """A clock that goes on only while the sender rests."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


class ClockedLock(SwitchedLock):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def rest(self, seconds: float) -> bool:
        self._clock.now += seconds
        return self.is_stopping


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(paced_sender, "time", clock)
    return clock


def _flight(count: int) -> InFlight:
    store, batch = MemoryStore(), records(count)
    stored(store, batch)
    waiting: WaitingObject
    (waiting,) = listed(store, TOPIC)
    return InFlight.of(waiting, batch)


def test_rate_is_kept_over_many_objects(clock: Clock) -> None:
    kafka, lock = FakeKafka(), ClockedLock(clock)
    link = KafkaLink(kafka)
    link.connect()
    sender = PacedSender(link, max_rate=100.0)
    began = clock.now

    for _ in range(5):
        assert sender.send(_flight(100), lock.turn())

    assert len(kafka.topic) == 500
    assert clock.now - began == pytest.approx(5.0, abs=0.2)


def test_pause_is_not_made_up_for(clock: Clock) -> None:
    kafka, lock = FakeKafka(), ClockedLock(clock)
    link = KafkaLink(kafka)
    link.connect()
    sender = PacedSender(link, max_rate=100.0)
    sender.send(_flight(100), lock.turn())
    clock.now += 3_600.0
    began = clock.now

    sender.send(_flight(100), lock.turn())

    assert clock.now - began == pytest.approx(1.0, abs=0.2)


def test_lost_lock_is_noticed_between_parts(clock: Clock) -> None:
    kafka, lock = FakeKafka(), ClockedLock(clock)
    link = KafkaLink(kafka)
    link.connect()
    sender = PacedSender(link, max_rate=100.0)

    def lose_lock(record: SealedRecord) -> None:
        lock.is_held = lock.is_held and record.sequence != 12

    kafka.refuse = lose_lock

    assert not sender.send(_flight(100), lock.turn())
    assert len(kafka.topic) == 20, "it stops after the part in which the lock was lost"


def test_nothing_is_sent_without_a_transport(clock: Clock) -> None:
    kafka, lock = FakeKafka(), ClockedLock(clock)

    assert not PacedSender(KafkaLink(kafka), max_rate=100.0).send(_flight(3), lock.turn())
    assert kafka.topic == []


def test_checkpoints_are_not_counted_as_events() -> None:
    flight = _flight(2)
    checkpoint = SealedRecord.written("", producer="p", sequence=None, key=b"k", value=b"{}")

    assert flight._replace(records=[*flight.records, checkpoint]).events == 2
