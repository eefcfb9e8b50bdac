"""L, or an administrator's mistake, lowers OpenSSL's own minimum: the connection to Kafka speaks TLS 1.1."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.certificates import create_certificates

_WEAK = """openssl_conf = top
[top]
ssl_conf = settings
[settings]
system_default = weak
[weak]
MinProtocol = TLSv1
CipherString = ALL:@SECLEVEL=0
"""
_CLIENT = """
import logging, sys
from confluent_kafka import Producer
from telemetry.config import AuditConfig
from telemetry.kafka.options import producer_options

kafka = {"ssl_ca_location": sys.argv[2]}
config = AuditConfig(kafka_brokers=f"localhost:{sys.argv[1]}", kafka_config=kafka, encryption_enabled=False,
    fallback_enabled=False, kafka_timeout_ms=1000)
client = Producer(producer_options(config), logger=logging.getLogger("client"))
try:
    client.list_topics(timeout=2)
except Exception:
    pass
"""


class OldServer:
    """A server with a genuine certificate that speaks one version of TLS and nothing else.

    Args:
        keystore: PEM file with key and chain.
        version: The version.

    Attributes:
        handshakes: The version of each handshake that was completed, and the reason of each that was not.
    """

    def __init__(self, keystore: Path, version: ssl.TLSVersion) -> None:
        self.handshakes: list[str] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that it is too old is the point
            self._context.minimum_version = self._context.maximum_version = version
        self._context.set_ciphers("ALL:@SECLEVEL=0")
        self._context.load_cert_chain(keystore)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, name="old-server", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the server."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(60)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(connection, server_side=True) as secured:
                    self.handshakes.append(secured.version() or "")
            except OSError as exc:
                self.handshakes.append(str(exc))


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[OldServer, Path]]:
    certificates = create_certificates(tmp_path / "certificates")
    running = OldServer(certificates.server, request.param)
    yield running, certificates.ca
    running.close()


def _connect(server: OldServer, authorities: Path, folder: Path) -> list[str]:
    """Connect as the library does, in a process whose OpenSSL permits everything; return what became of it."""
    weak = folder / "openssl.cnf"
    weak.write_text(_WEAK)
    environment = os.environ | {"OPENSSL_CONF": str(weak)}
    command = [sys.executable, "-c", _CLIENT, str(server.port), str(authorities)]
    subprocess.run(command, env=environment, timeout=110, check=False)
    assert server.handshakes
    return server.handshakes


@pytest.mark.parametrize("server", [ssl.TLSVersion.TLSv1_1], indirect=True)
def test_kafka_is_never_reached_with_old_tls(server: tuple[OldServer, Path], tmp_path: Path) -> None:
    assert "TLSv1.1" not in _connect(*server, tmp_path)


@pytest.mark.parametrize("server", [ssl.TLSVersion.TLSv1_2], indirect=True)
def test_kafka_is_reached_with_tls_1_2(server: tuple[OldServer, Path], tmp_path: Path) -> None:
    assert "TLSv1.2" in _connect(*server, tmp_path)
