"""B, or a disk, damages one batch in the log of a partition: readers stop at it, or believe it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks.broker_trail import BrokerTrail
from tests.services.fixtures import new_topic
from tests.services.kafka import KafkaBroker

pytestmark = pytest.mark.services

_BATCH_HEADER = 61
"""Bytes of a record batch before its records (Kafka's protocol, record batch version 2)."""


def damage_batch(broker: KafkaBroker, topic: str, offset: int) -> None:
    """Change the first byte of the records of the batch with an offset: they are packed, and cannot be unpacked now."""
    broker.stop()
    log = broker.folder / "data" / f"{topic}-0" / "00000000000000000000.log"
    content = bytearray(log.read_bytes())
    at = 0
    while (end := at + 12 + int.from_bytes(content[at + 8 : at + 12], "big")) < len(content):
        # Its first offset, and the last one relative to that.
        first, last = int.from_bytes(content[at : at + 8], "big"), int.from_bytes(content[at + 23 : at + 27], "big")
        if first <= offset <= first + last:
            break
        at = end
    content[at + _BATCH_HEADER] ^= 0xFF
    log.write_bytes(content)
    broker.start()


def test_damaged_batch_hides_no_other_event(own_kafka: Callable[..., KafkaBroker], tmp_path: Path) -> None:
    broker = own_kafka()
    trail = BrokerTrail(broker, new_topic(broker, partitions=1), tmp_path)
    # Each process leaves an event and a closing checkpoint; the event of the second one is at offset 2.
    for event_type in ("first", "second", "third"):
        trail.log([event_type])
    damage_batch(broker, trail.topic, 2)

    _, shown = trail.tail()
    code, report = trail.verify()

    assert shown == ["first", "third"]
    # Whatever is foreign elsewhere: here the record of a trusted stream is missing.
    assert code in (3, 4)
    assert sum(producer["proven"] for producer in report["producers"]) == 2
