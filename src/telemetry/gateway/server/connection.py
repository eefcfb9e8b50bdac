"""Speaks HTTP/1.1 on one connection: uvicorn's protocol, with a time for every header and with the peer's certificate."""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol

from telemetry.gateway.peer import Peer, names_of
from telemetry.gateway.server.permit import Permit
from telemetry.gateway.server.unheard import NOT_HTTP, TOO_MANY_CONNECTIONS, Unheard

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

_ODD_LINE = re.compile(rb"[^\r]\n|\n[ \t]")
"""A line that ends without CR, or that goes on in the next one: h11 reads both, and not every proxy reads them alike."""
_END_OF_HEADER = b"\r\n\r\n"

LINGER_SECONDS = 5.0
"""How long the rest of an answer may wait for a peer that does not read it."""


class GatewayConnection(H11Protocol):
    """One connection.

    h11 refuses what lets two servers disagree about where a request ends, and bounds the header in bytes; this class bounds
    it in time, and the time after the last answer.

    Args:
        config: Bounds and application.
        server_state: The connections and tasks of the server.
        peer: What is known of the other end before TLS.
        permit: Given back when the connection has ended.
        unheard: Is told of what is no HTTP.
        header_seconds: Time for a request's header.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        *,
        peer: Peer,
        permit: Permit,
        unheard: Unheard,
        header_seconds: float,
    ) -> None:
        super().__init__(config=config, server_state=server_state, app_state={})
        self._peer = peer
        self._permit = permit
        self._unheard = unheard
        self._header_seconds = header_seconds
        self._header_timer: asyncio.TimerHandle | None = None
        self._closing_since: float | None = None
        self._is_ending = False
        self._header_tail = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note who is at the other end, and wait for the first header."""
        super().connection_made(transport)
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None:
            peer = self._peer
            names = names_of(tls.getpeercert())
            self._peer = Peer(address=peer.address, names=names, uid=peer.uid, is_admin=peer.is_admin)
        # A copy of this dictionary is the state of each request.
        self.app_state: dict[str, Any] = {"peer": self._peer, "abort": transport.abort}
        self._watch_header()
        owner = self._peer.owner
        if owner is not None and not self._permit.belongs_to(owner):
            self._unheard.dropped(TOO_MANY_CONNECTIONS)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_header_timer()
        self._permit.give_back()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came; a header that has begun has to end in time."""
        if self._awaits_header and self._has_odd_line(data):
            self.send_400_response("A line of the header does not end with CR LF, or is folded.")
            return
        try:
            super().data_received(data)
        except h11.LocalProtocolError:
            # Rubbish after the answer has begun: there is nothing left to say.
            self.transport.abort()
        if not self._awaits_header:
            self._header_tail = b""
        self._watch_header()

    @property
    def _awaits_header(self) -> bool:
        return self.is_idle and self.conn.their_state is h11.IDLE

    def _has_odd_line(self, data: bytes) -> bool:
        text = self._header_tail + data
        # The end of the header may be in two pieces.
        self._header_tail = text[-len(_END_OF_HEADER) + 1 :]
        end = text.find(_END_OF_HEADER)
        return _ODD_LINE.search(text, 0, len(text) if end < 0 else end) is not None

    def send_400_response(self, msg: str) -> None:
        """Answer to what is not HTTP."""
        self._unheard.malformed(self._peer, NOT_HTTP)
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            self.transport.abort()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being read or answered."""
        return self.cycle is None or self.cycle.response_complete

    def end(self) -> None:
        """End the connection, after the answer to its present request if there is one."""
        if self.is_idle and self.conn.our_state is h11.IDLE:
            self.transport.close()
        elif not self.is_idle:
            self.shutdown()

    def end_with_next_answer(self) -> None:
        """Let the present or the next answer be the last one on this connection, and say so in it: no request is lost."""
        self._is_ending = True
        self._mark_the_end()

    def handle_events(self) -> None:
        """Read what came, also what was sent ahead of the last answer."""
        super().handle_events()
        self._mark_the_end()

    def _mark_the_end(self) -> None:
        # uvicorn ends a connection whose request asks for it; the application has not seen these headers yet.
        if self._is_ending and not self.is_idle and CLOSE_HEADER not in self.headers:
            self.headers.append(CLOSE_HEADER)

    def abort_if_stuck(self, now: float) -> None:
        """Abort a connection that is closed on this side and whose peer does not read the rest.

        Args:
            now: Time of the event loop in seconds.
        """
        if not self.transport.is_closing():
            return
        self._closing_since = self._closing_since or now
        if now - self._closing_since > LINGER_SECONDS:
            self.transport.abort()

    def _watch_header(self) -> None:
        """Let the timer run while a header, or the rest of a refused body, is awaited; never begin it again for more bytes."""
        if not self.is_idle:
            self._stop_header_timer()
        elif self._header_timer is None and self.timeout_keep_alive_task is None:
            self._header_timer = self.loop.call_later(self._header_seconds, self._give_up)

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _give_up(self) -> None:
        self._header_timer = None
        if self.is_idle:
            self.transport.abort()
