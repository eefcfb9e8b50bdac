"""Exports the types that an application names: configuration, events, receipts, reports; each is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.system.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from telemetry.audit.accept.outbox.sealed_event import SealedEvent
    from telemetry.audit.health import Health, NotReady, StreamHealth
    from telemetry.audit.receipt import Delivery, Receipt
    from telemetry.audit.reports import AuditStats, ShutdownReport
    from telemetry.config import (
        ArchiveConfig,
        AuditConfig,
        EncryptionConfig,
        ExplorerConfig,
        GatewayConfig,
        GatewayLimits,
        GrantsConfig,
        KafkaConfig,
        OidcConfig,
        OtlpConfig,
        OutboxConfig,
        ProxyIdentityConfig,
        SharedStreamsConfig,
        SigningConfig,
        StorageConfig,
        SubjectKeysConfig,
        TelemetryConfig,
    )
    from telemetry.format.value.event import AuditEvent

__all__ = [
    "ArchiveConfig",
    "AuditConfig",
    "AuditEvent",
    "AuditStats",
    "Delivery",
    "EncryptionConfig",
    "ExplorerConfig",
    "GatewayConfig",
    "GatewayLimits",
    "GrantsConfig",
    "Health",
    "KafkaConfig",
    "NotReady",
    "OidcConfig",
    "OtlpConfig",
    "OutboxConfig",
    "ProxyIdentityConfig",
    "Receipt",
    "SealedEvent",
    "SharedStreamsConfig",
    "ShutdownReport",
    "SigningConfig",
    "StorageConfig",
    "StreamHealth",
    "SubjectKeysConfig",
    "TelemetryConfig",
]

_HOMES = {
    "ArchiveConfig": "telemetry.config.archiving.section",
    "AuditConfig": "telemetry.config.audit",
    "AuditEvent": "telemetry.format.value.event",
    "AuditStats": "telemetry.audit.reports",
    "Delivery": "telemetry.audit.receipt",
    "EncryptionConfig": "telemetry.config.encryption",
    "ExplorerConfig": "telemetry.config.explorer.serving",
    "GatewayConfig": "telemetry.config.gateway.serving",
    "GatewayLimits": "telemetry.config.gateway.limits",
    "GrantsConfig": "telemetry.config.explorer.grants",
    "Health": "telemetry.audit.health",
    "KafkaConfig": "telemetry.config.kafka",
    "NotReady": "telemetry.audit.health",
    "OidcConfig": "telemetry.config.explorer.oidc",
    "OtlpConfig": "telemetry.config.gateway.otlp",
    "OutboxConfig": "telemetry.config.outbox",
    "ProxyIdentityConfig": "telemetry.config.explorer.proxy",
    "Receipt": "telemetry.audit.receipt",
    "SealedEvent": "telemetry.audit.accept.outbox.sealed_event",
    "ShutdownReport": "telemetry.audit.reports",
    "SharedStreamsConfig": "telemetry.config.gateway.shared_streams",
    "SigningConfig": "telemetry.config.encryption",
    "StorageConfig": "telemetry.config.storage",
    "SubjectKeysConfig": "telemetry.config.subjects.section",
    "StreamHealth": "telemetry.audit.health",
    "TelemetryConfig": "telemetry.config.telemetry",
}

__getattr__ = lazy_exports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
