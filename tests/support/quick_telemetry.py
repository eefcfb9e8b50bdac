"""Runs a pipeline whose time limits are short enough for a test and long enough for a busy machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from telemetry.sync import Telemetry
from telemetry.types import AuditConfig, StorageConfig, TelemetryConfig

NOWHERE = "127.0.0.1:9"
"""The discard port: nothing listens there, so a connection is refused at once."""


def quick_config(brokers: str, folder: Path, **changes: Any) -> AuditConfig:
    """Return a configuration for a broker that answers, or, with ``NOWHERE``, for one that refuses at once."""
    values: dict[str, Any] = {
        "kafka_brokers": brokers,
        "security_protocol": "PLAINTEXT",
        "encryption_enabled": False,
        "kafka_timeout_ms": 100 if brokers == NOWHERE else 5_000,
        "max_retries": 0 if brokers == NOWHERE else 1,
        "batch_timeout_ms": 5,
        "fallback_object_seconds": 0.2,
        "storage_config": StorageConfig(provider="local_file", base_path=folder / "fallback"),
    }
    values |= changes
    if not values.get("fallback_enabled", True):
        del values["storage_config"]
    return AuditConfig(**values)


def as_shop(config: AuditConfig) -> TelemetryConfig:
    """Return the configuration of the service whose records and objects ``tests.support.leftovers`` leaves."""
    return TelemetryConfig(service_name="shop", environment="production", audit_config=config)


@contextmanager
def running(config: AuditConfig | TelemetryConfig, *, timeout: float = 60.0) -> Iterator[Telemetry]:
    """Start telemetry, and shut it down even if the test fails; a lost event fails the test."""
    telemetry = Telemetry(config)
    telemetry.start()
    try:
        yield telemetry
    finally:
        telemetry.shutdown(timeout)
