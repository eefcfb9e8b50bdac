"""Batches that no producer writes: a broker's disk, or its operator, can put anything on a topic."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from telemetry.reader import DamagedRecord, KafkaSource
from telemetry.testing import EmbeddedKafka
from tests.support.batches import clear_config, one_record, raw_batch, write_raw

_JUNK = b"\1\2\3" * 20
_HUGE_LENGTH = b"\xff\xff\xff\xff\x0f" + bytes(20)
_RECORD = one_record(b"between")


@pytest.fixture
def brokers() -> Iterator[str]:
    with EmbeddedKafka(topic="events", partitions=1) as kafka:
        yield kafka.bootstrap_servers


@pytest.mark.parametrize(
    "batch",
    [
        raw_batch(_RECORD, checksum=1),
        raw_batch(_RECORD, magic=7),
        raw_batch(_JUNK, attributes=1),
        raw_batch(_JUNK, attributes=2),
        raw_batch(_JUNK, attributes=3),
        raw_batch(_JUNK, attributes=4),
        raw_batch(_JUNK, attributes=5),
        raw_batch(_HUGE_LENGTH, attributes=2),
        raw_batch(b"\xff" * 40),
        raw_batch(_RECORD, last=-5),
    ],
    ids=[
        "wrong checksum",
        "unknown version",
        "no gzip",
        "no snappy",
        "no lz4",
        "no zstd",
        "unknown codec",
        "states four gigabytes",
        "no records",
        "ends before it begins",
    ],
)
def test_hostile_batch_is_one_damage(brokers: str, batch: bytes) -> None:
    for part in (raw_batch(one_record(b"before")), batch, raw_batch(one_record(b"after"))):
        write_raw(brokers, "events", part)

    with KafkaSource(clear_config(brokers)) as source:
        found = list(source)

    damaged = [record.place.offset for record in found if isinstance(record, DamagedRecord)]
    values = [record.value for record in found if not isinstance(record, DamagedRecord)]
    assert values == [b"before", b"after"]
    assert damaged == [1]


def test_false_last_offset_sends_nobody_back(brokers: str) -> None:
    write_raw(brokers, "events", raw_batch(one_record(b"before")))
    write_raw(brokers, "events", raw_batch(_RECORD, last=2**31 - 1))
    write_raw(brokers, "events", raw_batch(one_record(b"after")))

    with KafkaSource(clear_config(brokers)) as source:
        found = list(source)

    values = [record.value for record in found if not isinstance(record, DamagedRecord)]
    assert values[:2] == [b"before", b"between"]
    assert values.count(b"before") == 1
    assert any(isinstance(record, DamagedRecord) for record in found)
