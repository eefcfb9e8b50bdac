"""Reads a real topic of several partitions in the order in which its records arrived."""

from __future__ import annotations

import time

import pytest
from confluent_kafka import Producer

from telemetry.config import AuditConfig
from telemetry.reader import KafkaSource, RawRecord, ReadRange
from telemetry.reader.sources import partition_merge
from tests.services.kafka import KafkaBroker
from tests.support.raw_records import raw_records

pytestmark = pytest.mark.services

PARTITIONS = 3
"""Those of the topic's four that are written to; the last one stays idle."""
START = int(time.time() * 1_000) - 100_000_000
"""Milliseconds since the epoch: a day ago, for which every topic keeps records."""


def _config(kafka: KafkaBroker, topic: str) -> AuditConfig:
    values = kafka.audit_options("PLAINTEXT") | {"kafka_topic": topic}
    return AuditConfig(**values, encryption_enabled=False, fallback_enabled=False)


def _write(kafka: KafkaBroker, topic: str, count: int, *, size: int = 10, slow: int = 1) -> None:
    """Write records that arrive a second after each other; partition 0 gets one of ``slow`` rounds only."""
    producer = Producer(kafka.client_options("PLAINTEXT"))
    for number in range(count):
        partition = number % PARTITIONS
        if partition == 0 and number % (PARTITIONS * slow):
            partition = 1
        value = b"%08d" % number + bytes(size)
        producer.produce(topic, value, partition=partition, timestamp=START + number * 1_000)
        producer.poll(0)
    assert producer.flush(60) == 0


def _read(kafka: KafkaBroker, topic: str) -> list[int]:
    with KafkaSource(_config(kafka, topic), merged=True) as source:
        return [int((record.value or b"")[:8]) for record in raw_records(source)]


def test_partitions_are_merged_by_arrival(kafka: KafkaBroker, topic: str) -> None:
    _write(kafka, topic, 9_000)

    assert _read(kafka, topic) == list(range(9_000))


def test_partition_that_is_held_loses_nothing(kafka: KafkaBroker, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_merge, "CROWD_BYTES", 0)
    monkeypatch.setattr(partition_merge, "_LEAST_CROWD_BYTES", 20_000)
    held: list[frozenset[int]] = []
    crowded = partition_merge.PartitionMerge.crowded

    def watched(merge: partition_merge.PartitionMerge) -> set[int]:
        found = crowded(merge)
        held.append(frozenset(found))
        return found

    monkeypatch.setattr(partition_merge.PartitionMerge, "crowded", watched)
    _write(kafka, topic, 60_000, size=400, slow=50)

    assert _read(kafka, topic) == list(range(60_000))
    assert len({state for state in held if state}) > 1


def test_followed_records_come_as_they_arrive(kafka: KafkaBroker, topic: str) -> None:
    _write(kafka, topic, 500)
    found: list[int] = []
    with KafkaSource(_config(kafka, topic), within=ReadRange(follow=True), merged=True) as source:
        for record in source:
            assert isinstance(record, RawRecord)
            found.append(int((record.value or b"")[:8]))
            if len(found) == 500:
                _write(kafka, topic, 6)
            if len(found) == 506:
                break

    assert found[:500] == list(range(500))
    assert sorted(found[500:]) == list(range(6))
