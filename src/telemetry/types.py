"""The types that an application names: configuration, events, receipts, reports."""

from telemetry.audit.receipt import Delivery, Receipt
from telemetry.audit.reports import AuditStats, ShutdownReport
from telemetry.config import AuditConfig, EncryptionConfig, KafkaConfig, SigningConfig, StorageConfig, TelemetryConfig
from telemetry.format.value.event import AuditEvent

__all__ = [
    "AuditConfig",
    "AuditEvent",
    "AuditStats",
    "Delivery",
    "EncryptionConfig",
    "KafkaConfig",
    "Receipt",
    "ShutdownReport",
    "SigningConfig",
    "StorageConfig",
    "TelemetryConfig",
]
