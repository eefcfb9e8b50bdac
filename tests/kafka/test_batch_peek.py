"""Asks a real broker for the headers of batches, over every way of logging in, and for open transactions."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from telemetry.config import AuditConfig
from telemetry.kafka.peek.batch_header import Codec
from telemetry.kafka.peek.batches import BatchPeek
from telemetry.kafka.peek.connection import PeekError
from telemetry.reader import DamagedRecord, KafkaSource, RawRecord
from telemetry.reader.sources.topic_client import TopicClient
from tests.services.kafka import KafkaBroker, Mechanism, Protocol
from tests.services.kafka_access import QUIET

pytestmark = pytest.mark.services


def fill(kafka: KafkaBroker, topic: str, *, codec: str, count: int) -> None:
    options = kafka.client_options() | {"compression.type": codec, "linger.ms": 60_000, "batch.num.messages": 10_000}
    producer = Producer(options)
    # Else the records wait for the topic's partitions, and flush() begins with the first of them: two batches.
    producer.list_topics(topic, timeout=60)
    for number in range(count):
        producer.produce(topic, b"%d" % number, partition=1)
    assert producer.flush(60) == 0


def reader(kafka: KafkaBroker, topic: str, protocol: Protocol, **changes: Any) -> AuditConfig:
    values = kafka.audit_options(protocol, **changes) | {"kafka_topic": topic}
    return AuditConfig(**values, encryption_enabled=False, fallback_enabled=False)


@pytest.mark.parametrize(
    ("protocol", "mechanism"),
    [
        ("PLAINTEXT", "PLAIN"),
        ("SSL", "PLAIN"),
        ("SASL_SSL", "PLAIN"),
        ("SASL_SSL", "SCRAM-SHA-256"),
        ("SASL_SSL", "SCRAM-SHA-512"),
        ("SASL_PLAINTEXT", "SCRAM-SHA-512"),
    ],
)
def test_batch_is_found_over_every_login(
    kafka: KafkaBroker, topic: str, protocol: Protocol, mechanism: Mechanism
) -> None:
    fill(kafka, topic, codec="zstd", count=300)
    fill(kafka, topic, codec="lz4", count=50)
    kafka.add_acl("alice", topic, ("READ", "DESCRIBE"))
    config = reader(kafka, topic, protocol, mechanism=mechanism)
    client = TopicClient(config, group=None)

    with BatchPeek(config, topic, leaders=client, timeout=30.0) as peek:
        first, last = peek.at(1, 7), peek.at(1, 300)
        end = peek.end_of(1, 7, limit=1_000)
    client.close()

    assert first is not None
    assert last is not None
    assert (first.base, first.codec, last.base, last.codec) == (0, Codec.ZSTD, 300, Codec.LZ4)
    assert end == 300


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_wrong_password_is_a_peek_error(kafka: KafkaBroker, topic: str, mechanism: Mechanism) -> None:
    right = reader(kafka, topic, "SASL_SSL", mechanism=mechanism)
    assert right.kafka_config is not None
    changed = right.kafka_config.model_copy(update={"username": "nobody"})
    config = right.model_copy(update={"kafka_config": changed})
    client = TopicClient(right, group=None)

    with (
        BatchPeek(config, topic, leaders=client, timeout=30.0) as peek,
        pytest.raises(PeekError, match="cannot be asked"),
    ):
        peek.at(1, 0)
    client.close()


def test_open_transaction_is_found_with_its_age(kafka: KafkaBroker, topic: str) -> None:
    fill(kafka, topic, codec="none", count=2)
    options = {**kafka.client_options(), "transactional.id": f"test-{uuid4().hex}"}
    writer = Producer(options, logger=QUIET)
    writer.init_transactions(60)
    writer.begin_transaction()
    writer.produce(topic, b"pin", partition=1)
    assert writer.flush(60) == 0
    fill(kafka, topic, codec="none", count=2)

    with KafkaSource(reader(kafka, topic, "PLAINTEXT")) as source:
        values = [record.value for record in source if isinstance(record, RawRecord)]
        (found,) = source.open_transactions()
        writer.abort_transaction(60)
        left = list(source)
        after = source.open_transactions()

    assert values == [b"0", b"1", b"pin", b"0", b"1"]
    assert (found.partition, found.offset, found.end) == (1, 2, 5)
    assert found.since is None or found.since <= time.time() + 60
    assert "last stable offset 2" in found.describe(time.time())
    # What was aborted is read as well; the marker at its end is no record.
    assert [record.value for record in left if isinstance(record, RawRecord)] == values
    assert not any(isinstance(record, DamagedRecord) for record in left)
    assert after == []
