"""Runs a TCP proxy that lets a request through and withholds its answer."""

from __future__ import annotations

import socket
import socketserver
import threading
from typing import Self

_CHUNK = 64 << 10


class AnswerThief:
    """Forwards to another port of 127.0.0.1; when armed, it cuts the connection on which the next answer comes.

    The server has then done what it was asked, and the client does not know.

    Args:
        target_port: Where the server listens.
    """

    def __init__(self, target_port: int) -> None:
        self._server = _Server(target_port)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), name="answer-thief", daemon=True
        )
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def stolen(self) -> int:
        """How many answers were stolen."""
        return self._server.stolen

    def arm(self, *methods: bytes) -> None:
        """Steal the answer to the next request of one of these methods."""
        self._server.methods = methods


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, target_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Pipe)
        self.target_port = target_port
        self.guard = threading.Lock()
        self.methods: tuple[bytes, ...] = ()
        self.stolen = 0

    def steals(self, method: bytes) -> bool:
        with self.guard:
            if method not in self.methods:
                return False
            self.methods = ()
            self.stolen += 1
            return True


class _Pipe(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        client: socket.socket = self.request
        with socket.create_connection(("127.0.0.1", self.server.target_port)) as onward:
            self._method = b""
            back = threading.Thread(target=self._answers, args=(onward, client), daemon=True)
            back.start()
            self._requests(client, onward)
            back.join()

    def _requests(self, client: socket.socket, onward: socket.socket) -> None:
        try:
            while chunk := client.recv(_CHUNK):
                method = chunk.partition(b" ")[0]
                if method in (b"GET", b"PUT", b"DELETE", b"POST", b"HEAD"):
                    self._method = method
                onward.sendall(chunk)
            onward.shutdown(socket.SHUT_WR)
        except OSError:
            return  # cut

    def _answers(self, onward: socket.socket, client: socket.socket) -> None:
        try:
            while chunk := onward.recv(_CHUNK):
                if self.server.steals(self._method):
                    break
                client.sendall(chunk)
        except OSError:
            pass  # the client went away
        for end in (client, onward):
            _cut(end)


def _cut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is cut already
