"""Listens, answers until it is told to stop, and ends in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Sequence

from starlette.types import ASGIApp

from telemetry.config.gateway.serving import GatewayConfig
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.gateway.server.acceptor import Acceptor, TlsSource
from telemetry.gateway.server.address import Address, read_address
from telemetry.gateway.server.connections import Connections
from telemetry.gateway.server.listening import bound_address, open_listener
from telemetry.gateway.server.unheard import Unheard

logger = logging.getLogger("telemetry.gateway")

_TICK_SECONDS = 1.0


class GatewayServer:
    """Serves an application on all addresses of a configuration.

    Args:
        config: Addresses, bounds and times.
        tls: TLS settings; None where no address is ``https``.
    """

    def __init__(self, config: GatewayConfig, tls: TlsSource | None) -> None:
        self._config = config
        self._tls = tls
        self._sockets: list[tuple[socket.socket, Address, bool]] = []
        self._open: Connections | None = None
        self._stopped = asyncio.Event()
        self._hurried = asyncio.Event()

    @property
    def addresses(self) -> Sequence[Address]:
        """Where it listens, with the real ports; the admin address is the last one."""
        return [address for _, address, _ in self._sockets]

    def listen(self) -> None:
        """Open all sockets; nothing is accepted yet.

        Raises:
            ConfigurationError: Some address cannot be used, or is not safe.
        """
        config = self._config
        chosen = [(address, False) for address in map(read_address, config.listen)]
        if not chosen:
            raise ConfigurationError(Problem("gateway_config.listen", "is empty", "give --listen or set it"))
        if config.admin_listen:
            chosen.append((read_address(config.admin_listen), True))
        for address, is_admin in chosen:
            self._require_safe(address, is_admin=is_admin)
        try:
            for address, is_admin in chosen:
                listener = open_listener(address)
                self._sockets.append((listener, bound_address(address, listener), is_admin))
        except BaseException:
            self.close()
            raise

    async def serve(self, app: ASGIApp, *, unheard: Unheard, started: Callable[[Sequence[Address]], None]) -> int:
        """Answer until :meth:`stop`; then finish the requests that are being answered.

        Args:
            app: The application.
            unheard: Is told of those who never get as far as a request.
            started: Called once connections are accepted, with the addresses.

        Returns:
            How many requests were cut off.
        """
        connections = self._open = Connections(app, self._config.limits, unheard)
        accepting = [
            asyncio.create_task(
                Acceptor(
                    listener,
                    address,
                    connections=connections,
                    tls=self._tls if address.scheme == "https" else None,
                    handshake_seconds=self._config.limits.header_seconds,
                    is_admin=is_admin,
                ).run()
            )
            for listener, address, is_admin in self._sockets
        ]
        started(self.addresses)
        former = self._context()
        try:
            while not self._stopped.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopped.wait(), _TICK_SECONDS)
                connections.tick()
                if self._context() is not former:
                    former = self._context()
                    connections.renew()
        finally:
            for task in accepting:
                task.cancel()
            await asyncio.gather(*accepting, return_exceptions=True)
            self.close()
        logger.info("no more connections are accepted; the requests that are being answered are finished")
        return await connections.close(self._config.shutdown_seconds, self._hurried)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return 0 if self._open is None else self._open.count

    def stop(self) -> None:
        """Accept nothing more and finish; a second call cuts off what is not finished."""
        if self._stopped.is_set():
            self._hurried.set()
        self._stopped.set()

    def close(self) -> None:
        """Close all sockets, and remove those that are files."""
        for listener, address, _ in self._sockets:
            listener.close()
            if address.path is not None:
                with contextlib.suppress(OSError):
                    address.path.unlink()
        self._sockets.clear()

    def _context(self) -> ssl.SSLContext | None:
        return None if self._tls is None else self._tls.context()

    def _require_safe(self, address: Address, *, is_admin: bool) -> None:
        if address.scheme == "https" and self._tls is None:
            remedy = "give --tls-certificate and --tls-key"
            raise ConfigurationError(Problem(str(address), "needs a certificate", remedy))
        if address.scheme == "http" and not (is_admin or address.is_local or self._config.allow_plain_http):
            remedy = "use https, or give --allow-plain-http where something else encrypts"
            raise ConfigurationError(Problem(str(address), "would show tokens and events to the network", remedy))
