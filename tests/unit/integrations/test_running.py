from __future__ import annotations

from telemetry.current import current_telemetry
from telemetry.integrations.running import running_telemetry
from telemetry.sync import Telemetry
from telemetry.testing import CapturedEvents
from telemetry.types import AuditConfig, TelemetryConfig

CONFIG = TelemetryConfig(environment="test", audit_config=AuditConfig(kafka_brokers="memory:"))


def test_starts_and_ends_its_own(captured_events: CapturedEvents) -> None:
    @running_telemetry(CONFIG)
    def main() -> Telemetry:
        current_telemetry().audit.log("t", {}, None)
        return current_telemetry()  # type: ignore[return-value]  # it is the blocking kind

    telemetry = main()

    assert telemetry.health().state == "stopped"
    captured_events.one("t")


def test_leaves_a_started_one_alone(captured_events: CapturedEvents) -> None:
    with Telemetry(CONFIG) as telemetry:
        with running_telemetry() as found:
            assert found is telemetry
        assert telemetry.health().state == "running"
