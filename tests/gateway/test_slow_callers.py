"""Callers that are slow, silent, rude or too many: each is bounded, and none delays the others."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx
import psutil
import pytest

from tests.support.gateway.credentials import GatewayFiles, identity, token_entry
from tests.support.gateway.gateway_site import EVENT
from tests.support.gateway.served import Served, local_config
from tests.support.until import until

_PATIENCE = 60.0
_BOUNDS = """
[gateway_config.limits]
header_seconds = 3.0
request_seconds = 4.0
keep_alive_seconds = 4
max_connections = 20
max_requests = 4
max_header_bytes = 2048
max_body_bytes = 65536
max_inflated_bytes = 65536
max_body_bytes_at_once = 131072
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> GatewayFiles:
    files = GatewayFiles(tmp_path_factory.mktemp("gateway"))
    files.write(
        identity("orders", tokens=[token_entry(files.token)]), identity("payments", certificates=["payments.example"])
    )
    return files


@pytest.fixture(scope="module")
def gateway(files: GatewayFiles) -> Iterator[Served]:
    options = ("--listen", "http://127.0.0.1:0", "--identities", str(files.identities))
    with Served(local_config(files.folder, _BOUNDS), files.folder, *options) as served:
        yield served
        assert served.end() == 0


@pytest.fixture
def served(gateway: Served) -> Iterator[Served]:
    yield gateway
    assert gateway.process.poll() is None
    assert "Traceback" not in gateway.errors()
    assert "a request failed" not in gateway.errors()


class Line:
    """A connection on which a test writes bytes as it likes."""

    def __init__(self, url: str) -> None:
        host, _, port = url.rpartition("/")[2].rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=_PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def rest(self) -> bytes:
        """Return what comes until the other end closes."""
        data = b""
        with contextlib.suppress(ConnectionError):
            while piece := self.socket.recv(1 << 16):
                data += piece
        return data


def header(files: GatewayFiles, *lines: str) -> bytes:
    fields = ("POST /v1/events HTTP/1.1", "Host: x", f"Authorization: Bearer {files.token}", *lines)
    return "\r\n".join((*fields, "", "")).encode()


def takes(served: Served, files: GatewayFiles) -> None:
    """Wait until an event is taken on a new connection; 429 means that earlier requests are not forgotten yet."""
    headers = {"Authorization": f"Bearer {files.token}"}
    with httpx.Client(base_url=served.url, headers=headers, timeout=_PATIENCE) as client:
        until(lambda: client.post("/v1/events", json=EVENT).status_code == 202, what="an event is taken")


def test_a_silent_connection_is_closed(served: Served) -> None:
    with Line(served.url) as line:
        assert line.rest() == b""


def test_a_header_that_trickles_is_cut_off(served: Served) -> None:
    began = time.monotonic()
    with Line(served.url) as line, contextlib.suppress(ConnectionError):
        for byte in b"POST /v1/events HTTP/1.1\r\n" + b"X-A: b\r\n" * 1_000:
            line.send(bytes((byte,)))
            line.socket.settimeout(0.05)
            try:
                if line.socket.recv(1) == b"":
                    break
            except TimeoutError:
                continue
    # Each byte did not begin the time anew: a thousand headers would have taken minutes.
    assert time.monotonic() - began < _PATIENCE


def test_a_header_that_is_too_long_is_refused(served: Served) -> None:
    with Line(served.url) as line:
        line.send(b"POST /v1/events HTTP/1.1\r\nX: " + b"a" * 100_000)
        assert line.rest().startswith((b"HTTP/1.1 400", b"HTTP/1.1 431", b""))


def test_a_body_that_trickles_is_answered_408(served: Served, files: GatewayFiles) -> None:
    with Line(served.url) as line:
        line.send(header(files, "Content-Length: 1000"))
        line.send(b"{")
        answer = line.rest()

    assert answer.startswith(b"HTTP/1.1 408")
    assert b"application/problem+json" in answer


def test_a_caller_that_hangs_up_is_forgotten(served: Served, files: GatewayFiles) -> None:
    for _ in range(50):
        with Line(served.url) as line:
            line.send(header(files, "Content-Length: 1000") + b"{")

    takes(served, files)


def test_more_requests_than_may_be_are_answered_429(served: Served, files: GatewayFiles) -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(Line(served.url)) for _ in range(3)]
        for line in slow:
            line.send(header(files, "Content-Length: 1000") + b"{")
        admin = stack.enter_context(httpx.Client(base_url=served.admin, timeout=_PATIENCE))
        while "audit_gateway_active_requests 3.0" not in admin.get("/metrics").text:
            pass
        headers = {"Authorization": f"Bearer {files.token}"}
        refused = httpx.post(f"{served.url}/v1/events", json=EVENT, headers=headers, timeout=_PATIENCE)
        for line in slow:
            assert line.rest().startswith(b"HTTP/1.1 408")

    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    takes(served, files)


def test_waiting_connections_are_served_when_others_end(served: Served, files: GatewayFiles) -> None:
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(Line(served.url)) for _ in range(40)]
        # More than may be open, and none says a word: each is closed in its time, and the last caller has its turn.
        takes(served, files)
        assert httpx.get(f"{served.admin}/healthz", timeout=_PATIENCE).status_code == 200
        for line in idle:
            assert line.rest() == b""


@pytest.mark.parametrize(
    "smuggled",
    [
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding : chunked",),
        ("Content-Length: +5",),
        ("Content-Length: 5, 5, 6",),
        ("Content-Length: -1",),
        ("Content-Length: 0x5",),
        ("X: a\rContent-Length: 5",),
        ("X: a\nContent-Length: 5",),
        ("X: a\r\n Content-Length: 5", "Content-Length: 5"),
    ],
    ids=range(11),
)
def test_what_two_servers_may_read_differently_ends_the_connection(
    served: Served, files: GatewayFiles, smuggled: tuple[str, ...]
) -> None:
    with Line(served.url) as line:
        line.send(header(files, *smuggled) + b"5\r\n{}{}{\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = line.rest()

    assert answer.count(b"HTTP/1.1 ") <= 1
    assert b'"status":"ok"' not in answer


@pytest.mark.parametrize(
    "text",
    [
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nX: a\nX-Forwarded-For: 192.0.2.1\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
        b"POST /v1/events HTTP/1.1\nHost: x\n\n",
        b"POST /v1/events HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["line_feed", "folded", "no_carriage_return", "chunked_before_1.1"],
)
@pytest.mark.parametrize("size", [1, 1 << 16], ids=["bytes", "whole"])
def test_header_that_proxies_read_in_different_ways_is_refused(served: Served, text: bytes, size: int) -> None:
    with Line(served.url) as line:
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(text), size):
                line.send(text[at : at + size])
                time.sleep(0.001)
        assert line.rest().startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("cut", range(1, 6))
def test_line_feeds_of_a_body_are_no_header(served: Served, files: GatewayFiles, cut: int) -> None:
    body = b"\n \n" + json.dumps(EVENT, indent=1).encode() + b"\n"
    text = header(files, f"Content-Length: {len(body)}") + body
    with Line(served.url) as line:
        # The end of the header comes in two pieces, and a second request after the body's last line.
        at = text.index(b"\r\n\r\n") + cut
        for _ in range(2):
            line.send(text[:at])
            time.sleep(0.02)
            line.send(text[at:])
            assert line.socket.recv(12) == b"HTTP/1.1 202"
            while b"]}" not in line.socket.recv(1 << 16):
                pass


def test_pipelined_requests_are_answered_in_order(served: Served, files: GatewayFiles) -> None:
    body = json.dumps(EVENT).encode()
    one = header(files, f"Content-Length: {len(body)}", "Content-Type: application/json") + body
    last = header(files, f"Content-Length: {len(body)}", "Connection: close") + body
    with Line(served.url) as line:
        line.send(one * 5 + last)
        answer = line.rest()

    assert answer.count(b"HTTP/1.1 202") == 6


def test_rubbish_is_not_answered_with_an_error_of_the_server(served: Served) -> None:
    for data in (
        b"\x16\x03\x01\x02\x00\x01",
        b"\x00" * 5_000,
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\n" * 5_000,
    ):
        with Line(served.url) as line:
            line.send(data)
            assert b" 500 " not in line.rest()


def test_an_answer_that_nobody_reads_does_not_keep_the_connection(served: Served, files: GatewayFiles) -> None:
    # Large answers pile up: the server stops reading, then ends the connection.
    body = json.dumps([EVENT] * 500).encode()
    piece = header(files, f"Content-Length: {len(body)}", "Content-Type: application/json") + body
    with Line(served.url) as line:
        line.socket.settimeout(0.5)
        give_up = time.monotonic() + _PATIENCE
        sent = 0
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < give_up:
                with contextlib.suppress(TimeoutError):
                    sent += line.socket.send(piece[sent % len(piece) :])

        assert time.monotonic() < give_up
        takes(served, files)


def test_a_tls_handshake_that_stalls_is_cut_off(files: GatewayFiles, tmp_path: Path) -> None:
    bounds = "[gateway_config.limits]\nheader_seconds = 3.0\nmax_connections = 5\n"
    with Served(local_config(tmp_path, bounds), tmp_path, *files.options()) as served, contextlib.ExitStack() as stack:
        lines = [stack.enter_context(Line(served.url)) for _ in range(10)]
        context = ssl.create_default_context(cafile=str(files.authority.file))
        context.load_cert_chain(*files.payments.arguments())
        with httpx.Client(verify=context, base_url=served.url, timeout=_PATIENCE) as client:
            assert client.get("/healthz").status_code == 200
        for line in lines:
            assert line.rest() == b""


def test_memory_is_flat_while_ten_times_too_much_comes(served: Served, files: GatewayFiles) -> None:

    process = psutil.Process(served.process.pid)
    body = json.dumps([EVENT] * 200).encode()
    statuses: dict[int, int] = {}
    lock, enough = threading.Lock(), threading.Event()

    def flood() -> None:
        headers = {"Authorization": f"Bearer {files.token}", "Content-Type": "application/json"}
        with httpx.Client(base_url=served.url, headers=headers, timeout=_PATIENCE) as client:
            while not enough.is_set():
                try:
                    status = client.post("/v1/events", content=body).status_code
                except httpx.HTTPError:
                    status = 0
                with lock:
                    statuses[status] = statuses.get(status, 0) + 1

    senders = [threading.Thread(target=flood) for _ in range(40)]
    for sender in senders:
        sender.start()
    peaks = []
    for count in (200, 400, 600, 800):
        give_up = time.monotonic() + 100
        while sum(statuses.values()) < count and time.monotonic() < give_up:
            enough.wait(0.05)
        peaks.append(process.memory_info().rss)
    enough.set()
    for sender in senders:
        sender.join()

    assert statuses[429] > 0
    assert statuses[202] > 0
    assert set(statuses) <= {0, 202, 207, 429}
    assert peaks[-1] - peaks[0] < 60_000_000, peaks
    takes(served, files)
