"""Configures ``telemetry serve``."""

from telemetry.config.gateway.limits import GatewayLimits
from telemetry.config.gateway.otlp import OtlpConfig
from telemetry.config.gateway.serving import GatewayConfig

__all__ = ["GatewayConfig", "GatewayLimits", "OtlpConfig"]
