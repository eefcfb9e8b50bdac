"""Finds the Telemetry that runs, if it is one."""

from __future__ import annotations

import pytest

from telemetry import Telemetry, audit_context
from telemetry.context import in_audit_context
from telemetry.current import current_telemetry
from telemetry.exceptions import LifecycleError
from telemetry.sync import Telemetry as BlockingTelemetry
from telemetry.types import AuditConfig, TelemetryConfig

pytestmark = pytest.mark.usefixtures("captured_events")
CONFIG = TelemetryConfig(environment="test", audit_config=AuditConfig(kafka_brokers="memory:"))


def test_none_and_several_are_errors() -> None:
    with pytest.raises(LifecycleError, match="none is started"):
        current_telemetry()
    with BlockingTelemetry(CONFIG) as one:
        assert current_telemetry() is one
        with BlockingTelemetry(CONFIG), pytest.raises(LifecycleError, match="several"):
            current_telemetry()
        assert current_telemetry() is one
    with pytest.raises(LifecycleError):
        current_telemetry()


async def test_started_twice_is_one() -> None:
    async with Telemetry(CONFIG) as one:
        await one.start()
        assert current_telemetry() is one


def test_failed_start_is_none() -> None:
    with BlockingTelemetry(CONFIG) as ended:
        pass
    with pytest.raises(LifecycleError):
        ended.start()
    with pytest.raises(LifecycleError, match="none is started"):
        current_telemetry()


def test_context_chooses_among_several() -> None:
    with BlockingTelemetry(CONFIG) as one, BlockingTelemetry(CONFIG) as other:
        with audit_context(telemetry=other):
            with audit_context(user_id="ada"):
                assert current_telemetry() is other
                carried = in_audit_context(current_telemetry)
            with audit_context(telemetry=one):
                assert current_telemetry() is one
        assert carried() is other
        with pytest.raises(LifecycleError, match="several"):
            current_telemetry()
