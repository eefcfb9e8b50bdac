"""A record that is too large for the topic concerns nobody else: no diversion, and everything else is delivered in order."""

from __future__ import annotations

import logging
import uuid
from pathlib import Path
from typing import Any

import pytest

from telemetry.audit.receipt import Receipt
from telemetry.exceptions import RecordTooLargeError
from telemetry.format.objects.stored_name import REJECTED
from telemetry.sync import Telemetry
from telemetry.types import AuditConfig
from tests.services.kafka import KafkaBroker
from tests.support.events_at_rest import fallback_objects, on_topic
from tests.support.quick_telemetry import quick_config, running
from tests.support.until import until

pytestmark = pytest.mark.services

LARGE = "".join(chr(0x4E00 + (n * n * 7919) % 20_000) for n in range(5_000))
"""Text that compression does not make small enough."""


def limited(broker: KafkaBroker, folder: Path, **changes: Any) -> AuditConfig:
    topic = f"audit-{uuid.uuid4().hex}"
    broker.create_topic(topic, config={"max.message.bytes": "4000"})
    return quick_config(broker.bootstrap(), folder, kafka_topic=topic, **{"kafka_timeout_ms": 30_000, **changes})


def log_thirty(telemetry: Telemetry, *, large: set[int]) -> list[Receipt]:
    return [
        telemetry.audit.log("step", {"n": n, "text": LARGE if n in large else ""}, f"user-{n % 3}") for n in range(30)
    ]


@pytest.mark.parametrize("large", [{0}, {13}, {29}, {3, 4, 20}])
def test_too_large_event_diverts_nobody(
    kafka: KafkaBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture, large: set[int]
) -> None:
    config = limited(kafka, tmp_path)
    with caplog.at_level(logging.WARNING), running(config) as telemetry:
        receipts = log_thirty(telemetry, large=large)
        for number, receipt in enumerate(receipts):
            place = receipt.wait_delivered(120)
            assert (place.fallback_object is not None) is (number in large)
        stats = telemetry.audit.get_audit_stats()
        after = telemetry.audit.log("after", {}, "user-0").wait_delivered(60)

    assert not stats.diverted
    assert (stats.delivered, stats.stored) == (30 - len(large), len(large))
    assert after.topic == config.kafka_topic
    for user in range(3):
        expected = [n for n in range(30) if n % 3 == user and n not in large]
        assert [n for n in numbers_of(config, user) if n >= 0] == expected
    assert not any("diverting" in line for line in caplog.messages)
    assert any("too large for the topic" in line for line in caplog.messages)


def numbers_of(config: AuditConfig, user: int) -> list[int]:
    values = [value for value in on_topic(config) if value["data"]["user_id"] == f"user-{user}"]
    return list(dict.fromkeys(int(value["data"]["payload"].get("n", -1)) for value in values))


def test_too_large_event_ends_among_the_rejected(kafka: KafkaBroker, tmp_path: Path) -> None:
    config = limited(kafka, tmp_path)
    with running(config) as telemetry:
        for receipt in log_thirty(telemetry, large={7}):
            receipt.wait_delivered(120)
    # The next start replays what is stored.
    with running(config) as telemetry:
        until(lambda: telemetry.audit.get_audit_stats().rejected == 1, what="the rejection")
        assert not telemetry.audit.get_audit_stats().diverted

    assert [len(values) for _, values in fallback_objects(config, below=REJECTED)] == [1]


def test_too_large_event_fails_where_there_is_no_store(kafka: KafkaBroker, tmp_path: Path) -> None:
    config = limited(kafka, tmp_path, fallback_enabled=False)
    with running(config) as telemetry:
        receipts = log_thirty(telemetry, large={7})
        with pytest.raises(RecordTooLargeError):
            receipts[7].wait_delivered(120)
        for number, receipt in enumerate(receipts):
            if number != 7:
                assert receipt.wait_delivered(120).topic is not None
        stats = telemetry.audit.get_audit_stats()

    assert (stats.delivered, stats.failed, stats.diverted) == (29, 1, False)


def test_too_large_event_before_the_shutdown_costs_no_other(kafka: KafkaBroker, tmp_path: Path) -> None:
    config = limited(kafka, tmp_path, batch_timeout_ms=2_000, batch_size_kb=1_000)
    with running(config) as telemetry:
        receipts = log_thirty(telemetry, large={29})

    places = [receipt.delivery for receipt in receipts]
    assert all(place is not None and place.topic is not None for place in places[:29])
    assert places[29] is not None
    assert places[29].fallback_object is not None


def test_batch_larger_than_the_topic_accepts_is_sent_in_parts(
    kafka: KafkaBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = limited(kafka, tmp_path, batch_timeout_ms=1_000, batch_size_kb=1_000)
    with caplog.at_level(logging.ERROR), running(config) as telemetry:
        receipts = [telemetry.audit.log("step", {"n": n, "text": str(uuid.uuid4()) * 20}, "ada") for n in range(40)]
        for receipt in receipts:
            assert receipt.wait_delivered(120).topic is not None
        assert not telemetry.audit.get_audit_stats().diverted

    seen = [int(value["data"]["payload"]["n"]) for value in on_topic(config)]
    assert list(dict.fromkeys(seen)) == list(range(40))
