"""A read is recorded as its policy says, also when Kafka is unreachable."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from telemetry.exceptions import ReadNotRecordedError
from telemetry.testing import EmbeddedKafka
from telemetry.trail.read_event import EVENT_TYPE, Access, record_access
from telemetry.types import AuditConfig, TelemetryConfig
from tests.support.events_at_rest import in_fallback, on_topic
from tests.support.quick_telemetry import NOWHERE, quick_config

SOURCES = [{"kind": "topic", "topic": "audit-events"}]
ACCESS = Access(reader="auditor", reason="ticket 7", program="report")


def config_for(audit: AuditConfig) -> TelemetryConfig:
    return TelemetryConfig(service_name="payments", audit_config=audit)


def test_event_names_reader_reason_and_filters(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        audit = quick_config(kafka.bootstrap_servers, tmp_path)
        receipt = record_access(config_for(audit), ACCESS, sources=SOURCES, filters={"user": "ada"})
        (value,) = on_topic(audit)
    event: dict[str, Any] = value["data"]
    assert receipt is not None
    assert (event["id"], event["event_type"], event["user_id"]) == (receipt.event_id, EVENT_TYPE, "auditor")
    payload = event["payload"]
    assert (payload["reader"], payload["reason"], payload["program"]) == ("auditor", "ticket 7", "report")
    assert (payload["sources"], payload["filters"]) == (SOURCES, {"user": "ada"})
    assert payload["os_user"]


def test_event_is_stored_while_kafka_is_unreachable(tmp_path: Path) -> None:
    audit = quick_config(NOWHERE, tmp_path)
    receipt = record_access(config_for(audit), ACCESS, sources=SOURCES, filters={})
    assert receipt is not None
    assert [value["id"] for value in in_fallback(audit)] == [receipt.event_id]


def test_policy_off_writes_no_event(tmp_path: Path) -> None:
    audit = quick_config(NOWHERE, tmp_path, read_audit="off")
    assert record_access(config_for(audit), ACCESS, sources=SOURCES, filters={}) is None
    assert in_fallback(audit) == []


def test_required_event_that_cannot_be_written(tmp_path: Path) -> None:
    audit = quick_config(NOWHERE, tmp_path, fallback_enabled=False)
    with pytest.raises(ReadNotRecordedError, match="read_audit"):
        record_access(config_for(audit), ACCESS, sources=SOURCES, filters={})


def test_attempted_event_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    audit = quick_config(NOWHERE, tmp_path, fallback_enabled=False, read_audit="attempt")
    with caplog.at_level(logging.ERROR, logger="telemetry.reading"):
        assert record_access(config_for(audit), ACCESS, sources=SOURCES, filters={}) is None
    assert "this read could not be recorded" in caplog.text
