"""Runs the gateway as a process: signals, pipeline, server."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from typing import cast

from telemetry.client import Telemetry
from telemetry.config.gateway.serving import GatewayConfig
from telemetry.config.telemetry import TelemetryConfig
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.gateway.app import build_app
from telemetry.gateway.gateway import Gateway, Pipeline
from telemetry.gateway.server.address import Address
from telemetry.gateway.server.serving import GatewayServer

logger = logging.getLogger("telemetry.gateway")


async def run_gateway(
    config: TelemetryConfig, *, started: Callable[[Sequence[Address]], None], shutdown_timeout: float
) -> None:
    """Take events until SIGTERM, SIGINT, or SIGHUP without anything to reload; then finish requests and events.

    Args:
        config: The pipeline, and the gateway.
        started: Called once everything is ready, with the addresses.
        shutdown_timeout: Seconds for the delivery of events at the end.

    Raises:
        ConfigurationError: The configuration cannot work.
        TelemetryError: The pipeline cannot be started, or some events could not be kept anywhere.
    """
    gateway_config = _required(config)
    server = GatewayServer(gateway_config, tls=None)
    server.listen()
    try:
        telemetry = Telemetry(config)
        await telemetry.start()
        try:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, server.stop)
            started(server.addresses)
            cut = await server.serve(
                build_app(Gateway(cast("Pipeline", telemetry), gateway_config.limits, gateway_config.otlp))
            )
            if cut:
                logger.warning("%d requests were cut off: they took longer than shutdown_seconds", cut)
        finally:
            await telemetry.shutdown(shutdown_timeout)
    finally:
        server.close()


def _required(config: TelemetryConfig) -> GatewayConfig:
    if config.gateway_config is None:
        raise ConfigurationError(
            Problem("gateway_config", "is missing", "give --listen, or add it to the configuration")
        )
    return config.gateway_config
