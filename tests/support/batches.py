"""Writes batches of one kind to an embedded Kafka: packed as wanted, of a known number of records."""

from __future__ import annotations

from confluent_kafka import Producer

from telemetry.types import AuditConfig

KEPT_SECONDS = 60.0


def clear_config(brokers: str, topic: str = "events") -> AuditConfig:
    """Return the configuration of a reader that opens nothing."""
    return AuditConfig(
        kafka_brokers=brokers,
        kafka_topic=topic,
        security_protocol="PLAINTEXT",
        encryption_enabled=False,
        fallback_enabled=False,
    )


def write_batch(brokers: str, topic: str, values: list[bytes], *, codec: str = "none", partition: int = 0) -> None:
    """Write records as one batch.

    Args:
        brokers: Where Kafka is.
        topic: The topic.
        values: Values of the records.
        codec: How the batch is packed.
        partition: Number of the partition.
    """
    producer = Producer(
        {
            "bootstrap.servers": brokers,
            "compression.type": codec,
            "message.max.bytes": 1_000_000_000,
            "batch.size": 2_147_483_647,
            "batch.num.messages": 1_000_000,
            "queue.buffering.max.messages": 10_000_000,
            "queue.buffering.max.kbytes": 2_097_151,
            # The batch is sent when it is complete, and that is when flush() is called.
            "linger.ms": 60_000,
            "log_level": 0,
        }
    )
    for value in values:
        producer.produce(topic, value, partition=partition)
    assert producer.flush(KEPT_SECONDS) == 0
