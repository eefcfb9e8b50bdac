"""A range of a topic begins and ends where it says, within what the topic has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer

from telemetry.exceptions import ConfigurationError, TransportError
from telemetry.reader.sources.read_range import ReadRange
from telemetry.reader.sources.topic_bounds import TopicBounds
from telemetry.testing import EmbeddedKafka

RECORDS = 10


@pytest.fixture(scope="module")
def consumer() -> Iterator[Consumer]:
    """A consumer of a topic with ten records in partition 0 and none in partition 1."""
    with EmbeddedKafka(partitions=2, topic="events") as kafka:
        producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
        for number in range(RECORDS):
            producer.produce("events", b"%d" % number, partition=0)
        assert producer.flush(60) == 0
        consumer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": "test"})
        yield consumer
        consumer.close()


@pytest.mark.parametrize(
    ("within", "bounds"),
    [
        (ReadRange(), (0, RECORDS)),
        (ReadRange(offset=4), (4, RECORDS)),
        (ReadRange(offset=99), (99, RECORDS)),
        (ReadRange(end_offset=6), (0, 6)),
        (ReadRange(end_offset=99), (0, RECORDS)),
        (ReadRange(last=3), (7, RECORDS)),
        (ReadRange(last=99), (0, RECORDS)),
        (ReadRange(offset=2, end_offset=9, last=4), (5, 9)),
        (ReadRange(starts={0: 8}), (8, RECORDS)),
        (ReadRange(starts={1: 8}), (0, RECORDS)),
        (ReadRange(group="new"), (0, RECORDS)),
    ],
    ids=str,
)
def test_bounds_of_a_range(consumer: Consumer, within: ReadRange, bounds: tuple[int, int]) -> None:
    starts, found = TopicBounds(consumer, "events", within=within, timeout=30.0).locate()
    assert found[0] == bounds
    assert {start.partition: start.offset for start in starts} == {key: first for key, (first, _) in found.items()}


def test_empty_partition_has_no_records(consumer: Consumer) -> None:
    _, bounds = TopicBounds(consumer, "events", within=ReadRange(last=3), timeout=30.0).locate()
    assert bounds[1] == (0, 0)


def test_unknown_topic_is_a_transport_error(consumer: Consumer) -> None:
    with pytest.raises(TransportError, match="other"):
        TopicBounds(consumer, "other", within=ReadRange(), timeout=1.0).locate()


def test_end_in_an_unknown_partition_is_refused(consumer: Consumer) -> None:
    with pytest.raises(ConfigurationError, match="no partition 9"):
        TopicBounds(consumer, "events", within=ReadRange(ends={0: 3, 9: 1}), timeout=30.0).locate()


def test_end_beyond_what_the_topic_has_is_refused(consumer: Consumer) -> None:
    with pytest.raises(ConfigurationError, match="ends at 10, before 11"):
        TopicBounds(consumer, "events", within=ReadRange(ends={0: RECORDS + 1}), timeout=30.0).locate()

    _, bounds = TopicBounds(consumer, "events", within=ReadRange(ends={0: RECORDS}), timeout=30.0).locate()
    assert bounds == {0: (0, RECORDS), 1: (0, 0)}
