"""Configurations of the contenders: the same producer settings for all that use librdkafka."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.spec import Spec
from telemetry.config import AuditConfig, EncryptionConfig, StorageConfig, TelemetryConfig
from telemetry.format.value.message import BATCH_HEADER, CONTENT_TYPE
from telemetry.kafka.options import producer_options

HEADERS = [("content-type", CONTENT_TYPE)]
ALL_HEADERS = [*HEADERS, (BATCH_HEADER, b"0199b2f0-7a4c-7d3e-9b1a-5c6d7e8f9a0b-12345")]
"""What this library's records have: the same for the same bytes."""
PASSPHRASE = "only for this measurement"


def audit_config(spec: Spec, **changes: Any) -> TelemetryConfig:
    """Return a configuration that differs from the defaults in what the spec says, and in where things are."""
    folder = Path(spec.folder)
    values: dict[str, Any] = {
        **spec.kafka,
        "kafka_topic": spec.topic,
        "batch_size_kb": spec.batch_kb,
        "wait_for": spec.wait_for,
        "encryption_config": EncryptionConfig(
            provider="local_key", key_path=folder / "key.json", passphrase=PASSPHRASE
        ),
        "storage_config": StorageConfig(provider="local_file", base_path=folder / "fallback"),
        "spool_path": folder / "spool" if spec.spool else None,
        **changes,
    }
    return TelemetryConfig(service_name="shop", environment="bench", version="1.0", audit_config=AuditConfig(**values))


def producer_settings(spec: Spec) -> dict[str, Any]:
    """Return librdkafka's settings as this library would make them."""
    return producer_options(audit_config(spec).audit_config)


def sealed_samples(spec: Spec) -> list[tuple[bytes, bytes]]:
    """Return keys and values that this library sealed before, to be sent as they are."""
    lines = Path(spec.samples).read_text().splitlines()
    return [(key.encode(), value.encode()) for key, value in map(json.loads, lines)]
