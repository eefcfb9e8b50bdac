"""Requests to a target: TLS is verified, answers are bounded, and no secret is in an error."""

from __future__ import annotations

import http.server
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme

from telemetry.exceptions import ConfigurationError, TargetAwayError, TargetRefusedError
from telemetry.forward.targets.credentials import Credentials
from telemetry.forward.targets.post import PostClient, TlsFiles
from telemetry.forward.targets.web import WebTarget
from tests.services.ports import free_ports
from tests.support.parcels import batch
from tests.support.siem import Reply, Siem, running, times


@pytest.fixture
def siem() -> Iterator[Siem]:
    with running(Siem()) as server:
        yield server


def client(url: str, *, tls: TlsFiles | None = None, seconds: float = 30.0, token: Path | None = None) -> PostClient:
    return PostClient(url, credentials=Credentials(token=token), tls=tls or TlsFiles(), seconds=seconds)


@pytest.mark.parametrize(
    "url",
    [
        "http://siem.example.com",
        "ftp://127.0.0.1",
        "https://user:pass@siem.example.com",
        "https://h/?token=abc",
        "siem",
    ],
)
def test_url_that_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="--url") as caught:
        client(url)
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1e9", 3_600.0),
        ("-3", None),
        ("nan", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_retry_after(siem: Siem, text: str, seconds: float | None) -> None:
    siem.faults = [times(1, Reply(503, headers=(("Retry-After", text),)))]
    assert client(siem.url).post("", b"[]", {}).retry_after == seconds


def test_retry_after_a_date(siem: Siem) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=20), usegmt=True)
    siem.faults = [times(1, Reply(503, headers=(("Retry-After", date),)))]
    seconds = client(siem.url).post("", b"[]", {}).retry_after
    assert seconds is not None
    assert 600 < seconds <= 1_200


def test_answer_without_an_end(siem: Siem) -> None:
    siem.faults = [times(1, Reply(200, b"x" * (2 << 20)))]
    with pytest.raises(TargetAwayError, match="more than"):
        client(siem.url).post("", b"[]", {})


def test_server_that_is_silent(siem: Siem) -> None:
    siem.delay = 5.0
    began = time.monotonic()
    with pytest.raises(TargetAwayError, match="did not answer"):
        client(siem.url, seconds=0.2).post("", b"[]", {})
    assert time.monotonic() - began < 5.0


def test_nobody_listens(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret-t0ken")
    token.chmod(0o600)
    with pytest.raises(TargetAwayError) as caught:
        client(f"http://127.0.0.1:{free_ports(1)[0]}", token=token).post("", b"[]", {})
    assert "s3cret" not in repr(caught.value)
    assert caught.value.__cause__ is None


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[str, trustme.CA]]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_address[1]}", authority
    server.shutdown()
    server.server_close()
    thread.join(30)


def written(path: Path, blob: trustme.Blob) -> Path:
    blob.write_to_path(str(path))
    path.chmod(0o600)
    return path


def test_certificates_of_both_sides(tls_server: tuple[str, trustme.CA], tmp_path: Path) -> None:
    url, authority = tls_server
    own = authority.issue_cert("forwarder.example.com")
    ca = written(tmp_path / "ca.pem", authority.cert_pem)
    certificate = written(tmp_path / "cert.pem", own.cert_chain_pems[0])
    key = written(tmp_path / "key.pem", own.private_key_pem)

    whole = TlsFiles(authorities=ca, certificate=certificate, key=key)
    assert client(url, tls=whole).post("", b"[]", {}).status == 204
    with pytest.raises(TargetAwayError, match="certificate cannot be verified"):
        client(url, tls=TlsFiles(certificate=certificate, key=key)).post("", b"[]", {})
    with pytest.raises(TargetAwayError):
        client(url, tls=TlsFiles(authorities=ca)).post("", b"[]", {})
    with pytest.raises(ConfigurationError, match="--target-key"):
        client(url, tls=TlsFiles(authorities=ca, certificate=certificate))
    with pytest.raises(ConfigurationError, match="--target-cert"):
        client(url, tls=TlsFiles(authorities=ca, certificate=ca, key=ca))
    other = written(tmp_path / "other.pem", trustme.CA().cert_pem)
    with pytest.raises(TargetAwayError, match="certificate cannot be verified"):
        client(url, tls=TlsFiles(authorities=other, certificate=certificate, key=key)).post("", b"[]", {})


def test_answer_that_drips() -> None:
    stop = threading.Event()

    class Dripping(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            while not stop.wait(0.05):
                self.wfile.write(b"x")

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Dripping)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        with pytest.raises(TargetAwayError, match="took longer"):
            client(f"http://127.0.0.1:{server.server_address[1]}", seconds=0.5).post("", b"[]", {})
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join(30)


def test_messages_do_not_name_the_path(siem: Siem) -> None:
    target = WebTarget(client(f"{siem.url}/hooks/s3cret-path"))
    siem.faults = [times(1, Reply(401)), times(1, Reply(503))]
    for kind in (TargetRefusedError, TargetAwayError):
        with pytest.raises(kind) as caught:
            target.send(batch(target, range(2)))
        assert "s3cret" not in str(caught.value)
    assert siem.posts[0].path == "/hooks/s3cret-path"
