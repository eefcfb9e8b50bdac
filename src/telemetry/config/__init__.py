"""Defines the configuration classes; users import them from ``telemetry.types``."""

from telemetry.config.archiving.section import ArchiveConfig
from telemetry.config.audit import AuditConfig
from telemetry.config.encryption import EncryptionConfig, SigningConfig
from telemetry.config.explorer.grants import GrantsConfig
from telemetry.config.explorer.oidc import OidcConfig
from telemetry.config.explorer.proxy import ProxyIdentityConfig
from telemetry.config.explorer.serving import ExplorerConfig
from telemetry.config.gateway.limits import GatewayLimits
from telemetry.config.gateway.otlp import OtlpConfig
from telemetry.config.gateway.serving import GatewayConfig
from telemetry.config.gateway.shared_streams import SharedStreamsConfig
from telemetry.config.kafka import KafkaConfig
from telemetry.config.outbox import OutboxConfig
from telemetry.config.storage import StorageConfig
from telemetry.config.subjects.section import SubjectKeysConfig
from telemetry.config.telemetry import TelemetryConfig

__all__ = [
    "ArchiveConfig",
    "AuditConfig",
    "EncryptionConfig",
    "ExplorerConfig",
    "GatewayConfig",
    "GatewayLimits",
    "GrantsConfig",
    "KafkaConfig",
    "OidcConfig",
    "OtlpConfig",
    "OutboxConfig",
    "ProxyIdentityConfig",
    "SharedStreamsConfig",
    "SigningConfig",
    "StorageConfig",
    "SubjectKeysConfig",
    "TelemetryConfig",
]
