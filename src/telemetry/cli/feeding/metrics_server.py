"""Serves ``/metrics`` and ``/healthz`` in a thread, with the server of the gateway, beside a command that is no server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from types import TracebackType
from typing import Self

from starlette.applications import Starlette
from starlette.routing import Route

from telemetry.config import GatewayConfig
from telemetry.config.gateway.limits import GatewayLimits
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.gateway.observed.health import healthz
from telemetry.gateway.observed.prometheus import Exposition
from telemetry.gateway.server.address import Address, read_address
from telemetry.gateway.server.answer_limit import AnswerLimit
from telemetry.gateway.server.serving import GatewayServer
from telemetry.gateway.server.unheard import IgnoredPeers
from telemetry.system.worker import Worker

logger = logging.getLogger("telemetry.metrics")

_OPTION = "--metrics-listen"
_EXAMPLES = "write http://127.0.0.1:9465 or unix:/run/telemetry/metrics.sock"
_CONNECTIONS = 50
_ANSWER_SECONDS = 30.0
_LAST_SECONDS = 1.0
"""Time for an answer that is being sent when the command ends."""
_STOP_SECONDS = 10.0


class MetricsServer:
    """Answers from the beginning of a ``with`` block to its end.

    It sets the meter provider of the process, so it is created before anything that measures.

    Args:
        address: ``http://host:port`` or ``unix:/path``.
        service: Name of the service, for ``target_info``.

    Attributes:
        address: Where it listens, with the real port.

    Raises:
        ConfigurationError: Nobody can listen there, or the process has another meter provider already.
    """

    def __init__(self, address: str, *, service: str) -> None:
        # Who may connect is decided by the address alone, as on the admin address of the gateway.
        config = GatewayConfig(
            listen=(str(_plain(address)),),
            admin_listen="",
            allow_plain_http=True,
            limits=GatewayLimits(max_connections=_CONNECTIONS),
            shutdown_seconds=_LAST_SECONDS,
        )
        self._server = GatewayServer(config, None)
        self._server.listen()
        self.address: Address = self._server.addresses[0]
        self._exposition = Exposition(service)
        if not self._exposition.is_in_force:
            self._exposition.close()
            self._server.close()
            reason = "has nothing to show: the process has another meter provider of OpenTelemetry already"
            raise ConfigurationError(Problem(_OPTION, reason, "leave it out, or do not set that one up"))
        routes = [Route("/healthz", healthz, methods=["GET"]), *self._exposition.routes()]
        self._app = AnswerLimit(Starlette(routes=routes), seconds=_ANSWER_SECONDS)
        self._loop = asyncio.new_event_loop()
        self._worker = Worker("telemetry-metrics", self._run)

    def __enter__(self) -> Self:
        self._worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended with an error, and is closed
            self._loop.call_soon_threadsafe(self._server.stop)
        self._worker.stop(_STOP_SECONDS)
        self._exposition.close()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._server.serve(self._app, unheard=IgnoredPeers(), started=lambda _addresses: None))
        except Exception as exc:  # noqa: BLE001 - metrics that cannot be served must not end what they measure
            logger.error("metrics are no longer served: %s; restart the command", type(exc).__name__)  # noqa: TRY400


def _plain(text: str) -> Address:
    try:
        address = read_address(text)
    except ConfigurationError as exc:
        raise ConfigurationError(Problem(_OPTION, "is not an address to listen on", _EXAMPLES)) from exc
    if address.scheme == "https":
        raise ConfigurationError(Problem(_OPTION, "cannot be https: the command has no certificate", _EXAMPLES))
    return address
