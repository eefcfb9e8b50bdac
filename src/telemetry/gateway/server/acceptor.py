"""Accepts connections on one socket, each with the TLS files of the moment."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import Protocol

from telemetry.gateway.peer import Peer, user_of
from telemetry.gateway.server.address import Address
from telemetry.gateway.server.connection import LINGER_SECONDS
from telemetry.gateway.server.connections import Connections
from telemetry.gateway.server.permit import Permit

_PAUSE_SECONDS = 0.2
"""How long accepting rests when the process has no descriptor left."""
_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class TlsSource(Protocol):
    """Gives the TLS settings for the next connection."""

    def context(self) -> ssl.SSLContext:
        """Return them."""


class Acceptor:
    """Accepts on one socket.

    The application's protocol begins only after the TLS handshake, so connections are counted here, from the first packet on.

    Args:
        listener: A listening socket; it belongs to this object now.
        address: What it listens on, with the real port.
        connections: Those that are open.
        tls: TLS settings; None for plain HTTP and unix sockets.
        handshake_seconds: Time for the TLS handshake.
        is_admin: Whether this is the admin address.
    """

    def __init__(
        self,
        listener: socket.socket,
        address: Address,
        *,
        connections: Connections,
        tls: TlsSource | None,
        handshake_seconds: float,
        is_admin: bool = False,
    ) -> None:
        self.address = address
        self._listener = listener
        self._connections = connections
        self._tls = tls
        self._handshake_seconds = handshake_seconds
        self._is_admin = is_admin
        self._greetings: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Accept until the task is cancelled; the socket is closed then."""
        try:
            while True:
                permit = await self._connections.take(is_admin=self._is_admin)
                try:
                    self._begin(permit, *await asyncio.get_running_loop().sock_accept(self._listener))
                except OSError as exc:
                    permit.give_back()
                    await asyncio.sleep(_PAUSE_SECONDS if exc.errno in _EXHAUSTED else 0)
                except BaseException:
                    permit.give_back()
                    raise
        finally:
            self._listener.close()
            for greeting in self._greetings:
                greeting.cancel()

    def _begin(self, permit: Permit, connection: socket.socket, remote: object) -> None:
        # A task of its own: a handshake may take long, and the next connection must not wait for it.
        greeting = asyncio.get_running_loop().create_task(self._greet(permit, connection, remote))
        self._greetings.add(greeting)
        greeting.add_done_callback(self._greetings.discard)

    async def _greet(self, permit: Permit, connection: socket.socket, remote: object) -> None:
        uid = user_of(connection) if self.address.path is not None else None
        address = str(remote[0]) if isinstance(remote, tuple) else ""
        peer = Peer(address=address, uid=uid, is_admin=self._is_admin)
        try:
            protocol = self._connections.open(peer, permit)
            context = None if self._tls is None else self._tls.context()
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=context,
                ssl_handshake_timeout=None if context is None else self._handshake_seconds,
                ssl_shutdown_timeout=None if context is None else LINGER_SECONDS,
            )
        except (OSError, TimeoutError) as exc:
            permit.give_back()
            connection.close()
            self._connections.report_handshake(peer, exc)
        except BaseException:
            permit.give_back()
            connection.close()
            raise
