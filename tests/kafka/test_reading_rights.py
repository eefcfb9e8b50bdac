"""Reads from a real broker: the rights that it needs, the record of the read, and parts of a topic."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from telemetry import open_trail
from telemetry.config import AuditConfig
from telemetry.exceptions import ReadNotRecordedError, TransportAuthorizationError
from telemetry.reader import KafkaSource, OpenedEvent, ReadRange
from telemetry.sync import Telemetry
from telemetry.trail.read_event import EVENT_TYPE
from tests.services.kafka import CLUSTER, KafkaBroker
from tests.support.raw_records import raw_records

pytestmark = pytest.mark.services


class _Totals:
    """Remembers the numbers of records that were announced."""

    def __init__(self) -> None:
        self.totals: list[int] = []

    def expect(self, records: int) -> None:
        self.totals.append(records)


def _source(kafka: KafkaBroker, topic: str) -> KafkaSource:
    values = kafka.audit_options("SSL", client="stranger") | {"kafka_topic": topic}
    return KafkaSource(AuditConfig(**values, encryption_enabled=False, fallback_enabled=False))


def _config(kafka: KafkaBroker, topic: str, folder: Path, *, client: str, **changes: Any) -> AuditConfig:
    values = kafka.audit_options("SSL", client=client) | {"kafka_topic": topic, "fallback_enabled": False, **changes}
    values["encryption_config"] = {"provider": "local_key", "key_path": folder / "key", "passphrase": "correct horse"}
    return AuditConfig(**values)


def test_auditor_needs_no_group_rights(kafka: KafkaBroker, topic: str) -> None:
    producer = Producer(kafka.client_options("PLAINTEXT"))
    for number in range(20):
        producer.produce(topic, b"value", str(number).encode())
    producer.flush(60)
    kafka.add_acl("stranger", topic, ("READ", "DESCRIBE"))

    with _source(kafka, topic) as source:
        found = raw_records(source)

    assert sorted(int(record.key or b"") for record in found) == list(range(20))


def test_read_without_the_right_is_refused(kafka: KafkaBroker, topic: str) -> None:
    with _source(kafka, topic) as source, pytest.raises(TransportAuthorizationError):
        list(source)


def test_unrecordable_read_opens_nothing(
    kafka: KafkaBroker, topic: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Telemetry(_config(kafka, topic, tmp_path, client="payments")) as telemetry:
        telemetry.audit.log("order_read", {}, "alice")
    kafka.add_acl("stranger", topic, ("READ", "DESCRIBE"))

    with (
        pytest.raises(ReadNotRecordedError, match=rf"read_audit.*{topic}|{topic}.*read_audit"),
        open_trail(_config(kafka, topic, tmp_path, client="stranger", kafka_timeout_ms=2_000, max_retries=0)),
    ):
        pytest.fail("it was opened")
    with caplog.at_level(logging.ERROR):
        attempt = _config(
            kafka, topic, tmp_path, client="stranger", kafka_timeout_ms=2_000, max_retries=0, read_audit="attempt"
        )
        with open_trail(attempt) as trail:
            assert [type(entry) for entry in trail] == [OpenedEvent]
    assert "could not be recorded" in caplog.text

    kafka.add_acl("stranger", topic, ("WRITE",))
    kafka.add_acl("stranger", CLUSTER, ("IDEMPOTENT_WRITE",))
    with open_trail(_config(kafka, topic, tmp_path, client="stranger"), reader="auditor") as trail:
        assert trail.access is not None
        assert [type(entry) for entry in trail] == [OpenedEvent]
    with open_trail(_config(kafka, topic, tmp_path, client="payments", read_audit="off")) as trail:
        events = [entry.event for entry in trail if isinstance(entry, OpenedEvent)]
    assert sorted((event.event_type, event.user_id) for event in events) == [
        ("order_read", "alice"),
        (EVENT_TYPE, "auditor"),
    ]


@pytest.mark.parametrize(
    ("within", "expected"),
    [
        (ReadRange(since=1_700_000_010), range(10, 20)),
        (ReadRange(until=1_700_000_010), range(11)),
        (ReadRange(since=1_700_000_005, until=1_700_000_007.9), range(5, 8)),
        (ReadRange(since=1_700_000_020), range(0)),
        (ReadRange(until=1_699_999_999), range(0)),
        (ReadRange(offset=3, end_offset=6), range(3, 6)),
        (ReadRange(offset=100), range(0)),
        (ReadRange(last=4), range(16, 20)),
        (ReadRange(offset=15, until=1_700_000_016), range(15, 17)),
    ],
    ids=str,
)
def test_parts_of_a_topic(kafka: KafkaBroker, topic: str, within: ReadRange, expected: range) -> None:
    producer = Producer(kafka.client_options("PLAINTEXT"))
    for number in range(20):
        producer.produce(topic, b"v", b"%d" % number, partition=1, timestamp=(1_700_000_000 + number) * 1_000)
    assert producer.flush(60) == 0
    progress = _Totals()
    values = kafka.audit_options("SSL") | {"kafka_topic": topic}
    config = AuditConfig(**values, encryption_enabled=False, fallback_enabled=False)

    with KafkaSource(config, within=within, progress=progress) as source:
        found = [int(record.key or b"") for record in raw_records(source)]

    assert found == list(expected)
    assert progress.totals == [len(expected)]


def test_group_continues_where_it_stopped(kafka: KafkaBroker, topic: str) -> None:
    producer = Producer(kafka.client_options("PLAINTEXT"))
    values = kafka.audit_options("SSL") | {"kafka_topic": topic}
    config = AuditConfig(**values, encryption_enabled=False, fallback_enabled=False)
    read: list[list[int]] = []
    for part in range(2):
        for number in range(part * 5, part * 5 + 5):
            producer.produce(topic, b"v", b"%d" % number, partition=1)
        assert producer.flush(60) == 0
        with KafkaSource(config, within=ReadRange(group="auditors")) as source:
            read.append([int(record.key or b"") for record in raw_records(source)])

    assert read == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
