"""One caller takes what it can get of requests and connections, and the others are served all the same."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.gateway.credentials import GatewayFiles, Pair, identity
from tests.support.gateway.gateway_site import client_of, post, ssl_context
from tests.support.gateway.served import Served, local_config
from tests.support.until import until

_PATIENCE = 60.0
_REQUESTS, _CONNECTIONS = 8, 16
_BOUNDS = f"""
[gateway_config.limits]
request_seconds = 300
header_seconds = 60
keep_alive_seconds = 300
max_requests = {_REQUESTS}
max_connections = {_CONNECTIONS}
"""


@pytest.fixture
def files(tmp_path: Path) -> GatewayFiles:
    files = GatewayFiles(tmp_path)
    files.write(
        identity("payments", certificates=["payments.example"]), identity("orders", certificates=["orders.example"])
    )
    return files


@pytest.fixture
def orders(files: GatewayFiles) -> Pair:
    return files.authority.issue("orders", "orders.example")


@pytest.fixture
def served(files: GatewayFiles) -> Iterator[Served]:
    with Served(local_config(files.folder, _BOUNDS), files.folder, *files.options()) as served:
        yield served
        assert "Traceback" not in served.errors()


def connection(served: Served, files: GatewayFiles, stack: contextlib.ExitStack) -> ssl.SSLSocket:
    """Return a connection of ``payments``."""
    host, _, port = served.url.rpartition("/")[2].rpartition(":")
    plain = socket.create_connection((host, int(port)), timeout=_PATIENCE)
    context = ssl_context(files, files.payments.arguments())
    return stack.enter_context(context.wrap_socket(plain, server_hostname="localhost"))


def metrics(served: Served) -> str:
    return httpx.get(f"{served.admin}/metrics", timeout=_PATIENCE).text


def test_slow_bodies_of_one_service_leave_requests_to_others(served: Served, files: GatewayFiles, orders: Pair) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(_REQUESTS):
            slow = connection(served, files, stack)
            slow.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        until(lambda: "audit_gateway_active_requests 6.0" in metrics(served), what="its share is used")
        with client_of(served.url, files, orders) as other:
            assert post(other) == 202


def test_connections_of_one_certificate_leave_some_to_others(served: Served, files: GatewayFiles, orders: Pair) -> None:
    with contextlib.ExitStack() as stack:
        answered = 0
        for _ in range(_CONNECTIONS):
            kept = connection(served, files, stack)
            with contextlib.suppress(OSError):
                kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                answered += kept.recv(12) == b"HTTP/1.1 200"
        # One that is closed has its place back at once, so that all were accepted.
        assert answered == _CONNECTIONS * 3 // 4
        assert "too_many_connections" in metrics(served)
        with client_of(served.url, files, orders) as other:
            assert post(other) == 202

    with client_of(served.url, files, files.payments) as later:
        until(lambda: _is_served(later), what="its connections are given back")


def _is_served(client: httpx.Client) -> bool:
    try:
        return post(client) == 202
    except httpx.TransportError:
        return False
