"""Keeps the open connections: how many there may be, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from email.utils import formatdate

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import ServerState

from telemetry.config.gateway.limits import GatewayLimits
from telemetry.gateway.peer import Peer
from telemetry.gateway.places import Places
from telemetry.gateway.server.connection import GatewayConnection
from telemetry.gateway.server.permit import Permit
from telemetry.gateway.server.unheard import Unheard, report_handshake

_LOOK_SECONDS = 0.05
_ADMIN_CONNECTIONS = 50


class Connections:
    """The open connections of all addresses.

    Args:
        app: The application.
        limits: Bounds of what callers may take.
        unheard: Is told of those who never get as far as a request.
    """

    def __init__(self, app: ASGIApp, limits: GatewayLimits, unheard: Unheard) -> None:
        # The application logs its own errors, without content; those of uvicorn would quote what was sent, once a connection.
        for name in ("uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
            logging.getLogger(name).disabled = True
        self._limits = limits
        self._unheard = unheard
        self._config = Config(
            app,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=limits.keep_alive_seconds,
            h11_max_incomplete_event_size=limits.max_header_bytes,
        )
        self._config.load()
        self._state = ServerState()
        self._room = asyncio.Semaphore(limits.max_connections)
        self._places = Places(limits.max_connections)
        self._admin_room = asyncio.Semaphore(_ADMIN_CONNECTIONS)
        self._admin_places = Places(_ADMIN_CONNECTIONS)
        self.tick()

    async def take(self, *, is_admin: bool) -> Permit:
        """Wait until one more connection may be open, and return the permit for it.

        Args:
            is_admin: Whether it is one of the admin address, which has room of its own: callers without number must not keep
                anyone from asking how the gateway is.
        """
        room, places = (self._admin_room, self._admin_places) if is_admin else (self._room, self._places)
        await room.acquire()
        return Permit(room, places)

    def open(self, peer: Peer, permit: Permit) -> GatewayConnection:
        """Return the protocol of a new connection.

        Args:
            peer: The other end.
            permit: Given back when the connection ends.
        """
        return GatewayConnection(
            self._config,
            self._state,
            peer=peer,
            permit=permit,
            unheard=self._unheard,
            header_seconds=self._limits.header_seconds,
        )

    def report_handshake(self, peer: Peer, error: Exception) -> None:
        """Report a TLS handshake that failed: the peer knows why, the operator may want to."""
        report_handshake(self._unheard, peer, error)

    def tick(self) -> None:
        """Do what is due every second: the date of the answers, and the end of those who do not read theirs."""
        self._state.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]
        now = time.monotonic()
        for connection in self._all():
            connection.abort_if_stuck(now)

    @property
    def count(self) -> int:
        """How many are open, without those that have not finished their TLS handshake."""
        return len(self._state.connections)

    def end_all(self) -> None:
        """End every connection: an idle one now, the others with their next answer."""
        for connection in self._all():
            connection.end()

    def renew(self) -> None:
        """Have every connection end with its present or next answer, so that callers open new ones."""
        for connection in self._all():
            connection.end_with_next_answer()

    async def close(self, seconds: float, hurried: asyncio.Event) -> int:
        """Let the requests finish, then close every connection.

        Args:
            seconds: Time for it.
            hurried: Ends that time.

        Returns:
            How many requests were cut off.
        """
        self.end_all()
        deadline = time.monotonic() + seconds
        while (self._all() or self._state.tasks) and time.monotonic() < deadline and not hurried.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(hurried.wait(), _LOOK_SECONDS)
        cut = [task for task in self._state.tasks if not task.done()]
        for task in cut:
            task.cancel()
        for connection in self._all():
            connection.transport.abort()
        await asyncio.gather(*cut, return_exceptions=True)
        return len(cut)

    def _all(self) -> list[GatewayConnection]:
        return [connection for connection in self._state.connections if isinstance(connection, GatewayConnection)]
