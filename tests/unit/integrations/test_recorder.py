"""What integrations share: start and end what is theirs, never raise."""

from __future__ import annotations

import logging

import pytest

from telemetry import Telemetry
from telemetry.integrations.recorder import Recorder
from telemetry.sync import Telemetry as BlockingTelemetry
from telemetry.testing import CapturedEvents
from telemetry.types import AuditConfig, TelemetryConfig

CONFIG = TelemetryConfig(environment="test", audit_config=AuditConfig(kafka_brokers="memory:"))


def test_own_telemetry_is_started_and_ended(captured_events: CapturedEvents) -> None:
    recorder = Recorder("test", config=CONFIG)
    recorder.start()
    recorder.start()

    receipt = recorder.record("t", {"odd": object()}, None)
    recorder.shutdown()
    recorder.shutdown()

    assert receipt is not None
    captured_events.one("t", adjusted=("payload",))
    assert recorder.telemetry.health().state == "stopped"


@pytest.mark.parametrize("kind", [Telemetry, BlockingTelemetry])
@pytest.mark.usefixtures("captured_events")
async def test_given_one_that_runs_is_left_running(kind: type[Telemetry]) -> None:
    given = kind(CONFIG)
    started = given.start()
    if started is not None:
        await started
    recorder = Recorder("test", telemetry=given)

    await recorder.astart()
    await recorder.ashutdown()

    assert given.health().state == "running"


@pytest.mark.parametrize("kind", [Telemetry, BlockingTelemetry])
@pytest.mark.usefixtures("captured_events")
async def test_given_one_not_started_is_ours(kind: type[Telemetry]) -> None:
    recorder = Recorder("test", telemetry=kind(CONFIG))

    await recorder.astart()
    state = recorder.telemetry.health().state
    await recorder.ashutdown()

    assert (state, recorder.telemetry.health().state) == ("running", "stopped")


@pytest.mark.usefixtures("captured_events")
def test_failure_is_counted_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder("test", config=CONFIG)

    with caplog.at_level(logging.ERROR):
        results = [recorder.record("t", {"pan": "hunter2"}, None) for _ in range(3)]

    assert results == [None] * 3
    assert recorder.failures == 3
    assert [record.name for record in caplog.records] == ["telemetry.hooks"]
    assert "hunter2" not in caplog.text


def test_started_one_is_used_when_it_is_there(captured_events: CapturedEvents) -> None:
    recorder = Recorder("test", use_started=True)
    before = recorder.record("early", {}, None)
    with BlockingTelemetry(CONFIG):
        during = recorder.record("meanwhile", {}, None)
    after = recorder.record("late", {}, None)

    assert (before, after, recorder.failures) == (None, None, 2)
    assert during is not None
    captured_events.one("meanwhile")


def test_secrets_of_a_framework_are_scrubbed(captured_events: CapturedEvents) -> None:
    recorder, open_recorder = Recorder("test", config=CONFIG), Recorder("test", config=CONFIG, scrub=False)
    recorder.start()
    open_recorder.start()

    recorder.record("form", {"password": "hunter2", "note": "paid with 4111 1111 1111 1111"}, "ada")
    open_recorder.record("open", {"password": "hunter2"}, "ada")

    captured_events.one(
        "form", payload={"password": "[scrubbed]", "note": "paid with [scrubbed]"}, adjusted=("payload",)
    )
    captured_events.one("open", payload={"password": "hunter2"})
    for each in (recorder, open_recorder):
        each.shutdown()
