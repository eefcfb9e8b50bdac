"""Puts the options of ``telemetry serve`` over the configuration."""

from __future__ import annotations

import importlib
from typing import Any

from telemetry.config import GatewayConfig, TelemetryConfig
from telemetry.exceptions import MissingExtraError

_FEATURE = "telemetry serve"
_PACKAGES = ("starlette", "uvicorn", "opentelemetry.exporter.prometheus", "opentelemetry.proto")
"""What the extra brings."""


def serving_config(config: TelemetryConfig, **given: Any) -> TelemetryConfig:
    """Return the configuration with the options that were given.

    Args:
        config: What file and environment say.
        **given: Fields of ``GatewayConfig``; None for an option that was not given.

    Raises:
        ConfigurationError: A value cannot be used.
        MissingExtraError: The packages of the gateway are not installed.
    """
    try:
        for name in _PACKAGES:
            importlib.import_module(name)
    except ImportError as exc:
        raise MissingExtraError(_FEATURE, "serve") from exc
    known = {} if config.gateway_config is None else config.gateway_config.handed_over()
    values = known | {name: value for name, value in given.items() if value is not None}
    return config.model_copy(update={"gateway_config": GatewayConfig(**values)})
