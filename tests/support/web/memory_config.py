"""Configures a pipeline without Kafka, for applications whose events a test captures."""

from __future__ import annotations

from telemetry.types import AuditConfig, TelemetryConfig


def memory_config() -> TelemetryConfig:
    """Return a configuration that needs nothing outside of the process."""
    return TelemetryConfig(
        service_name="shop",
        environment="test",
        audit_config=AuditConfig(kafka_brokers="memory:", fallback_enabled=False),
    )
