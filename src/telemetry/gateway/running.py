"""Runs the gateway as a process: builds its parts, reads signals, and ends in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from telemetry.client import Telemetry
from telemetry.config.audit import AuditConfig
from telemetry.config.gateway.serving import GatewayConfig
from telemetry.config.gateway.shared_streams import SharedStreamsConfig
from telemetry.config.telemetry import TelemetryConfig
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.gateway import authentication
from telemetry.gateway.app import build_app
from telemetry.gateway.authentication import Authentication
from telemetry.gateway.gateway import Gateway
from telemetry.gateway.identities.quotas import Quotas
from telemetry.gateway.identities.source import IdentitiesFile
from telemetry.gateway.metrics import GatewayMetrics
from telemetry.gateway.observed.prometheus import Exposition
from telemetry.gateway.refused_calls import RefusedCalls
from telemetry.gateway.server import unheard
from telemetry.gateway.server.address import Address
from telemetry.gateway.server.descriptors import needed_descriptors, raise_descriptor_limit
from telemetry.gateway.server.reloading import Reloader
from telemetry.gateway.server.serving import GatewayServer
from telemetry.gateway.server.tls import TlsFiles

logger = logging.getLogger("telemetry.gateway")

_TICK_SECONDS = 1.0


async def run_gateway(
    config: TelemetryConfig, *, started: Callable[[Sequence[Address]], None], shutdown_timeout: float
) -> None:
    """Take events until SIGTERM or SIGINT; then finish the requests, and deliver or keep their events.

    Args:
        config: The pipeline, and the gateway.
        started: Called once everything is ready, with the addresses; the admin address is the last one.
        shutdown_timeout: Seconds for the delivery of events at the end.

    Raises:
        ConfigurationError: The configuration cannot work.
        TelemetryError: The pipeline cannot be started, or some events could not be kept anywhere.
    """
    chosen = _required(config)
    quotas = Quotas()
    # Files and sockets first: what is wrong with them is said before anything is started.
    identities = IdentitiesFile(chosen.identities, own_service=config.service_name, quotas=quotas)
    tls = TlsFiles(chosen) if any(text.startswith("https:") for text in (*chosen.listen, chosen.admin_listen)) else None
    server = GatewayServer(chosen, tls)
    if chosen.identities is None:
        logger.error("no identities file is given, so every call will be refused; give --identities")
    whole = _with_streams(config)
    streams = whole.audit_config.shared_streams
    raise_descriptor_limit(
        needed_descriptors(connections=chosen.limits.max_connections, streams=streams.max_streams if streams else 0)
    )
    async with AsyncExitStack() as stack:
        server.listen()
        stack.callback(server.close)
        reloader = Reloader([identities] if tls is None else [identities, tls], seconds=chosen.reload_seconds)
        _reload_on_hangup(reloader)  # before the pipeline starts: until then SIGHUP ends a process
        exposition = Exposition(config.service_name)
        stack.callback(exposition.close)
        _require_in_force(exposition)
        telemetry = Telemetry(whole)
        await telemetry.start()
        stack.push_async_callback(telemetry.shutdown, shutdown_timeout)
        gateway = Gateway(
            telemetry,
            chosen.limits,
            chosen.otlp,
            quotas=quotas,
            refused_calls=RefusedCalls(telemetry.audit, per_minute=chosen.refused_per_minute),
            metrics=GatewayMetrics((*authentication.REASONS, *unheard.REASONS)),
        )
        gateway.metrics.observe(_Levels(gateway, server, identities, reloader, tls))
        app = build_app(gateway, Authentication(chosen, identities), admin=exposition.routes())
        _end_on_signals(server)
        for work in (reloader.run(), _tick(gateway)):
            stack.push_async_callback(_cancel, asyncio.create_task(work))
        cut = await server.serve(app, unheard=gateway, started=started)
        if cut:
            logger.warning("%d requests were cut off: shutdown_seconds were over, or a second signal came", cut)
        gateway.end()


class _Levels:
    """Reads what the gauges show.

    Args:
        gateway: Knows the requests.
        server: Knows the connections.
        identities: Those in force.
        reloader: Knows which files were refused.
        tls: Knows the certificate; None without one.
    """

    def __init__(
        self,
        gateway: Gateway,
        server: GatewayServer,
        identities: IdentitiesFile,
        reloader: Reloader,
        tls: TlsFiles | None,
    ) -> None:
        self._gateway = gateway
        self._server = server
        self._identities = identities
        self._reloader = reloader
        self._tls = tls

    def connections(self) -> int:
        return self._server.connections

    def requests(self) -> int:
        return self._gateway.active

    def identities(self) -> int:
        return self._identities.current.count

    def refused_files(self) -> int:
        return len(self._reloader.refused)

    def certificate_seconds(self) -> float | None:
        return None if self._tls is None else self._tls.expires_at - time.time()


def _reload_on_hangup(reloader: Reloader) -> None:
    # On Windows there is no such signal, and a loop takes none.
    with contextlib.suppress(NotImplementedError, AttributeError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.want)


def _end_on_signals(server: GatewayServer) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, server.stop)


async def _tick(gateway: Gateway) -> None:
    while True:
        await asyncio.sleep(_TICK_SECONDS)
        gateway.tick()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _require_in_force(exposition: Exposition) -> None:
    if not exposition.is_in_force:
        reason = "would stay empty: the process has another meter provider of OpenTelemetry already"
        raise ConfigurationError(Problem("/metrics", reason, "start the gateway without opentelemetry-instrument"))


def _with_streams(config: TelemetryConfig) -> TelemetryConfig:
    """Return a configuration whose pipeline carries a stream for each caller, with the defaults if it has none of its own."""
    if config.audit_config.shared_streams is not None:
        return config
    values: dict[str, Any] = config.audit_config.handed_over() | {"shared_streams": SharedStreamsConfig()}
    return config.model_copy(update={"audit_config": AuditConfig(**values)})


def _required(config: TelemetryConfig) -> GatewayConfig:
    if config.gateway_config is None:
        raise ConfigurationError(
            Problem("gateway_config", "is missing", "give --listen, or add it to the configuration")
        )
    return config.gateway_config
