"""Listeners that hang up: one cut connection is no fault, and an alert is given time to arrive."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from telemetry.config import KafkaConfig
from telemetry.kafka.diagnose.diagnosis import DiagnosedError, Kind
from telemetry.kafka.diagnose.identity import TlsIdentity
from telemetry.kafka.diagnose.listener import ListenerProbe
from tests.services.certificates import Certificates, create_certificates

_ANSWER = (14).to_bytes(4, "big") + (0x7E1E).to_bytes(4, "big") + bytes(10)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return create_certificates(tmp_path_factory.mktemp("certificates"))


@contextmanager
def _server(keystore: Path, *, hang_up: int) -> Iterator[str]:
    """Shake hands, then hang up on the first connections, and answer the requests of those that follow."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keystore)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        left = hang_up
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with context.wrap_socket(plain, server_side=True) as secure:
                if left > 0:
                    left -= 1
                    continue
                while secure.recv(4_096):
                    secure.sendall(_ANSWER)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5.0)


def _probe(address: str, certificates: Certificates, *, client: str | None) -> ListenerProbe:
    own = certificates.clients[client] if client else None
    config = KafkaConfig(
        ssl_ca_location=certificates.ca,
        ssl_certificate_location=own.certificate if own else None,
        ssl_key_location=own.key if own else None,
    )
    identity = TlsIdentity.load(config)
    return ListenerProbe(address, protocol="SSL", mechanism="PLAIN", identity=identity, timeout=3.0)


def test_connection_cut_once_is_no_fault(certificates: Certificates) -> None:
    with _server(certificates.server, hang_up=1) as address:
        assert _probe(address, certificates, client="payments").run().address == address


@pytest.mark.parametrize(
    ("client", "kind"),
    [
        ("payments", Kind.UNRESPONSIVE),
        ("expired", Kind.EXPIRED_CERTIFICATE),
        (None, Kind.NO_CLIENT_CERTIFICATE),
    ],
)
def test_silent_hang_up_blames_no_good_certificate(client: str | None, kind: Kind, certificates: Certificates) -> None:
    with _server(certificates.server, hang_up=100) as address, pytest.raises(DiagnosedError) as caught:
        _probe(address, certificates, client=client).run()

    assert caught.value.diagnosis.kind is kind
