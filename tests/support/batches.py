"""Writes batches of one kind to an embedded Kafka: packed as wanted, of a known number of records."""

from __future__ import annotations

import socket
import struct

import google_crc32c
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
    # Where the partition is not known yet, records that move to it while they are flushed make batches of their own.
    producer.list_topics(topic, KEPT_SECONDS)
    for value in values:
        producer.produce(topic, value, partition=partition)
    assert producer.flush(KEPT_SECONDS) == 0


def raw_batch(
    records: bytes,
    *,
    attributes: int = 0,
    last: int = 0,
    checksum: int | None = None,
    magic: int = 2,
    size: int = 0,
    count: int = 1,
) -> bytes:
    """Return a batch of any bytes, as Kafka's protocol has it (record batch version 2).

    Args:
        records: Its records, packed or not.
        attributes: Codec and flags.
        last: What it states as its last offset, relative to its first.
        checksum: A wrong one; None for the right one.
        magic: Version of the batch.
        size: What it states as its size; 0 for the right one.
        count: What it states as the number of its records.
    """
    covered = struct.pack(">hiqqqhii", attributes, last, 0, 0, -1, -1, -1, count) + records
    crc = google_crc32c.value(covered) if checksum is None else checksum
    rest = struct.pack(">ibI", 0, magic, crc) + covered
    return struct.pack(">qi", 0, size or len(rest)) + rest


def one_record(value: bytes) -> bytes:
    """Return a record of less than 50 bytes, as a batch has it."""
    body = b"\0\0\0\x01" + bytes([2 * len(value)]) + value + b"\0"
    return bytes([2 * len(body)]) + body


def write_raw(brokers: str, topic: str, batch: bytes) -> None:
    """Write a batch to partition 0 of a broker that does not look into it, as the embedded one."""
    name = struct.pack(">h", len(topic)) + topic.encode()
    body = struct.pack(">hhih", 0, 7, 1, -1) + struct.pack(">hhi", -1, -1, 30_000) + struct.pack(">i", 1) + name
    body += struct.pack(">iii", 1, 0, len(batch)) + batch
    host, _, port = brokers.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=KEPT_SECONDS) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        assert len(connection.recv(4)) == 4
