from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.services.tcp_proxy import TcpProxy

_LIMIT = 20.0


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(1_024):
            self.request.sendall(data)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: cut connections are the purpose here."""


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    with _Server(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        with TcpProxy(server.server_address[1]) as running:
            yield running
        server.shutdown()
        thread.join(_LIMIT)


def _connect(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=_LIMIT)


def _echo(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return client.recv(1_024)


def _ended(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def test_bytes_pass_in_both_directions(proxy: TcpProxy) -> None:
    with _connect(proxy) as client:
        assert _echo(client, b"there and back") == b"there and back"
        assert proxy.connections == 1


def test_cut_ends_open_connections_only(proxy: TcpProxy) -> None:
    with _connect(proxy) as client:
        assert _echo(client, b"a") == b"a"
        proxy.cut()
        assert proxy.connections == 0
        assert _ended(client)
    with _connect(proxy) as client:
        assert _echo(client, b"b") == b"b"


def test_port_stays_after_a_refusal(proxy: TcpProxy) -> None:
    with _connect(proxy) as client:
        assert _echo(client, b"a") == b"a"
        proxy.refuse()
        assert _ended(client)
    with pytest.raises(ConnectionRefusedError):
        _connect(proxy)
    proxy.accept()
    with _connect(proxy) as client:
        assert _echo(client, b"b") == b"b"


def test_stalled_bytes_come_later(proxy: TcpProxy) -> None:
    with _connect(proxy) as client:
        proxy.stall()
        client.sendall(b"late")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(_LIMIT)
        proxy.resume()
        assert client.recv(1_024) == b"late"
        proxy.stall()
        client.sendall(b"never")
        proxy.cut()
        assert _ended(client)


def test_delay_holds_each_direction_back(proxy: TcpProxy) -> None:
    with _connect(proxy) as client:
        proxy.delay(0.2)
        begun = time.monotonic()
        assert _echo(client, b"a") == b"a"
        assert time.monotonic() - begun >= 0.39


def test_server_that_is_away_ends_the_connection() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with TcpProxy(nobody.getsockname()[1]) as proxy, _connect(proxy) as client:
            assert _ended(client)


def test_closed_twice() -> None:
    proxy = TcpProxy(1)
    proxy.start()
    proxy.close()
    proxy.close()
