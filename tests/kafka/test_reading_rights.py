from __future__ import annotations

import pytest
from confluent_kafka import Producer

from telemetry.config import AuditConfig
from telemetry.exceptions import TransportAuthorizationError
from telemetry.reader import KafkaSource
from tests.services.kafka import KafkaBroker

pytestmark = pytest.mark.services


def _source(kafka: KafkaBroker, topic: str) -> KafkaSource:
    values = kafka.audit_options("SSL", client="stranger") | {"kafka_topic": topic}
    return KafkaSource(AuditConfig(**values, encryption_enabled=False, fallback_enabled=False))


def test_an_auditor_needs_read_on_the_topic_and_no_right_on_any_group(kafka: KafkaBroker, topic: str) -> None:
    producer = Producer(kafka.client_options("PLAINTEXT"))
    for number in range(20):
        producer.produce(topic, b"value", str(number).encode())
    producer.flush(30)
    kafka.add_acl("stranger", topic, ("READ", "DESCRIBE"))

    with _source(kafka, topic) as source:
        found = list(source)

    assert sorted(int(record.key or b"") for record in found) == list(range(20))


def test_without_the_right_to_read_the_topic_is_refused(kafka: KafkaBroker, topic: str) -> None:
    with _source(kafka, topic) as source, pytest.raises(TransportAuthorizationError):
        list(source)
