from __future__ import annotations

import pytest

from telemetry.gateway.refused_records import RefusedRecords


def test_number_is_said_once_a_minute(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("telemetry.gateway.refused_records.time.monotonic", lambda: now)
    records = RefusedRecords()

    records.add("payments", nameless=2, malformed=1, example="it cannot be decoded")
    records.add("orders", nameless=5, malformed=0, example="it has no event name")
    records.add("orders", nameless=0, malformed=0, example="")
    said = [record.getMessage() for record in caplog.records]
    now += 60
    records.add("orders", nameless=1, malformed=0, example="it has no event name")
    later = caplog.records[-1].getMessage()

    assert len(said) == 1
    assert said[0].startswith("3 log records of OTLP are no events and were refused, the last ones of service payments")
    assert later.startswith("6 log records of OTLP are no events and were refused, the last ones of service orders")


def test_nothing_refused_is_not_said(caplog: pytest.LogCaptureFixture) -> None:
    RefusedRecords().add("payments", nameless=0, malformed=0, example="")

    assert caplog.records == []
