from __future__ import annotations

import asyncio
import threading

import pytest

from telemetry import Telemetry
from telemetry.sync import Telemetry as BlockingTelemetry
from telemetry.testing import capture_events, memory_events
from telemetry.types import AuditConfig, TelemetryConfig

CONFIG = AuditConfig(kafka_brokers="nowhere.invalid:9093", encryption_enabled=False, fallback_enabled=False)


async def test_coroutines_and_threads_are_captured() -> None:
    with capture_events() as captured:
        async with Telemetry(CONFIG) as telemetry:
            await asyncio.gather(*(telemetry.audit.log("task", {}, "ada", wait_for="durable") for _ in range(20)))
            threads = [threading.Thread(target=telemetry.audit.log, args=("thread", {}, "ada")) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)

    assert (len(captured.all("task")), len(captured.all("thread"))) == (20, 4)


def test_outer_capture_sees_what_an_inner_one_does() -> None:
    with capture_events() as outer, BlockingTelemetry(CONFIG) as telemetry:
        telemetry.audit.log("before", {}, "ada")
        with capture_events() as inner:
            telemetry.audit.log("within", {}, "ada")
        telemetry.audit.log("after", {}, "ada")

    assert [event.event_type for event in inner] == ["within"]
    assert [event.event_type for event in outer] == ["before", "within", "after"]


def test_failing_block_ends_its_capture() -> None:
    def fail() -> None:
        with capture_events() as captured, BlockingTelemetry(CONFIG) as telemetry:
            telemetry.audit.log("login", {}, "ada")
            captured.none("login")

    with pytest.raises(AssertionError):
        fail()
    with capture_events() as captured:
        assert len(captured) == 0


def test_memory_of_the_process_can_be_looked_at() -> None:
    memory_events().clear()
    config = TelemetryConfig(environment="test", audit_config=AuditConfig(kafka_brokers="memory:"))
    with BlockingTelemetry(config) as telemetry:
        telemetry.audit.log("login", {}, "ada")

    assert memory_events().one("login").user_id == "ada"
    memory_events().clear()
