"""The link has at most one transport, knows why Kafka failed, and can be failed by another thread."""

from __future__ import annotations

import threading

import pytest

from telemetry.audit.replay.kafka_link import KafkaLink
from telemetry.exceptions import TransportError
from tests.support.fake_kafka import FakeKafka
from tests.support.leftovers import records
from tests.support.until import PATIENCE


@pytest.fixture
def kafka() -> FakeKafka:
    return FakeKafka()


@pytest.fixture
def link(kafka: FakeKafka) -> KafkaLink:
    return KafkaLink(kafka)


def test_transport_is_kept_while_it_works(kafka: FakeKafka, link: KafkaLink) -> None:
    first = link.connect()

    assert first is not None
    assert link.connect() is first
    assert len(kafka.transports) == 1


def test_failed_transport_is_replaced(kafka: FakeKafka, link: KafkaLink) -> None:
    first = link.connect()
    assert first is not None
    first.fail(TransportError("refused"))

    second = link.connect()

    assert second is not first
    assert kafka.transports[0].is_ended
    assert link.error is None


def test_kafka_away_leaves_no_transport(kafka: FakeKafka, link: KafkaLink) -> None:
    kafka.away = TransportError("away")

    assert link.connect() is None

    assert link.transport is None
    assert str(link.error) == "away"
    assert not kafka.is_open


def test_dropped_records_can_be_sent_again(kafka: FakeKafka, link: KafkaLink) -> None:
    kafka.acknowledges.clear()
    batch = records(2)
    transport = link.connect()
    assert transport is not None
    transport.send(batch)

    link.drop(TransportError("late"))

    assert str(link.error) == "late"
    kafka.acknowledges.set()
    again = link.connect()
    assert again is not None
    again.send(batch)
    assert kafka.sequences == [0, 1]


def test_failing_ends_a_wait_in_another_thread(kafka: FakeKafka, link: KafkaLink) -> None:
    kafka.acknowledges.clear()
    batch = records(1)
    transport = link.connect()
    assert transport is not None
    transport.send(batch)
    results: list[bool] = []
    waiting = threading.Thread(target=lambda: results.append(transport.wait_for(batch)))
    waiting.start()

    link.fail(TransportError("closing"))
    waiting.join(PATIENCE)

    assert results == [False]


def test_failing_without_a_transport_does_nothing(link: KafkaLink) -> None:
    link.fail(TransportError("closing"))

    assert link.connect() is not None
