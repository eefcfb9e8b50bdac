"""A CloudEvent says when it happened, and when it was recorded if that is another time."""

from __future__ import annotations

from telemetry.reader.mappings import to_cloudevent
from tests.support.some_events import opened


def test_time_is_when_it_happened() -> None:
    record = to_cloudevent(opened(occurred_at="2021-03-04T05:06:07Z"))

    assert record["time"] == "2021-03-04T05:06:07Z"
    assert record["recordedtime"] == "2026-01-31T12:00:00.123456Z"


def test_time_of_logging_without_another() -> None:
    record = to_cloudevent(opened())

    assert record["time"] == "2026-01-31T12:00:00.123456Z"
    assert "recordedtime" not in record
