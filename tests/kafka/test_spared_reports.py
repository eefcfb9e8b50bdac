"""Confirms many records by one delivery report: none counts as delivered that is not on the topic."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.connector import KafkaConnector
from telemetry.exceptions import RecordTooLargeError
from telemetry.types import AuditConfig
from tests.services.fixtures import new_topic
from tests.services.kafka import KafkaBroker
from tests.support.kafka_configs import audit_config, identity
from tests.support.transport_listener import CollectingListener
from tests.support.until import until

pytestmark = pytest.mark.services

_LIMIT = 60.0
_KEYS = 40
_CHUNK = 400


class _Sent:
    """A transport, the records it was given, and those it reported as delivered."""

    def __init__(self, config: AuditConfig) -> None:
        listener = CollectingListener()
        self.delivered = listener.records
        self.transport = KafkaConnector(config).open(listener, name="test-poller")
        self.records: list[SealedRecord] = []

    def send(self, count: int, *, large_at: int = -1) -> list[SealedRecord]:
        first = len(self.records)
        chunk = [
            SealedRecord.written(
                str(uuid.uuid4()),
                producer="p",
                sequence=number,
                key=b"user-%d" % (number % _KEYS),
                value=b"%d %s" % (number, os.urandom(500_000 if number - first == large_at else 100)),
            )
            for number in range(first, first + count)
        ]
        self.records += chunk
        self.transport.send(chunk)
        return chunk

    def learn(self) -> None:
        """Let the transport learn the partition of every key."""
        self.send(_KEYS)
        assert self.transport.wait_empty(_LIMIT)

    def until_more_than(self, count: int) -> None:
        until(lambda: len(self.delivered) > count, what="the first delivery")

    def silent(self) -> int:
        return sum(record.on_report is None for record in self.records)

    def require_sound(self, broker: KafkaBroker, topic: str) -> None:
        """Fail unless each record was delivered or returned, and the delivered ones are on the topic, in order."""
        back = self.transport.take_back()
        assert len(self.delivered) + len(back) == len(self.records)
        assert {id(record) for record in [*self.delivered, *back]} == {id(record) for record in self.records}
        stored = [record.value() or b"" for record in broker.read(topic)]
        missing = {record.value for record in self.delivered} - set(stored)
        assert len(missing) == 0
        by_key: dict[int, list[int]] = {}
        for value in dict.fromkeys(stored):
            number = int(value.split(b" ", 1)[0])
            by_key.setdefault(number % _KEYS, []).append(number)
        assert [numbers for numbers in by_key.values() if numbers != sorted(numbers)] == []


def _config(broker: KafkaBroker, topic: str, **fields: Any) -> AuditConfig:
    # A broker that is slow for a while is no failure here.
    fields = {"kafka_timeout_ms": 20_000} | fields
    return audit_config(broker, "SSL", identity(broker.certificates, "files"), kafka_topic=topic, **fields)


def test_large_batch_needs_few_reports(kafka: KafkaBroker, topic: str) -> None:
    sent = _Sent(_config(kafka, topic))
    sent.learn()

    sent.send(2_000)

    assert sent.transport.wait_empty(_LIMIT)
    assert sent.silent() > 1_500
    assert len(sent.delivered) == len(sent.records)
    sent.require_sound(kafka, topic)


def test_refused_record_drags_no_later_one(kafka: KafkaBroker) -> None:
    topic = f"bounded-{uuid.uuid4().hex}"
    kafka.create_topic(topic, config={"max.message.bytes": "300000"})
    kafka.add_acl("payments", topic)
    sent = _Sent(_config(kafka, topic, kafka_options={"compression.type": "none"}))
    sent.learn()

    for chunk in range(8):
        sent.send(_CHUNK, large_at=_CHUNK // 2 if chunk == 3 else -1)
        time.sleep(0.02)

    until(lambda: sent.transport.failure is not None, what="the refusal of the large record")
    assert isinstance(sent.transport.failure, RecordTooLargeError)
    sent.require_sound(kafka, topic)


def test_cuts_and_kill_while_reports_are_spared(own_kafka: Callable[..., KafkaBroker]) -> None:
    broker = own_kafka(proxied=["SSL"])
    topic = new_topic(broker)
    cuts = broker.proxy("SSL")
    for is_killed in (False, True):
        sent = _Sent(_config(broker, topic))
        sent.learn()
        before = len(sent.delivered)
        for chunk in range(30):
            sent.send(_CHUNK)
            if chunk % 6 == 3:
                cuts.cut()
        sent.until_more_than(before)
        if is_killed:
            broker.kill()
        # At once: reports are still on the way.
        back = sent.transport.take_back()
        assert sent.silent() > len(sent.records) // 2
        if is_killed:
            broker.start()
        assert len(sent.delivered) + len(back) == len(sent.records)
        stored = {record.value() for record in broker.read(topic)}
        assert len({record.value for record in sent.delivered} - stored) == 0
