"""Thousands of made-up requests against the real command: no error of its own, no answer that is not described, memory flat.

``make gateway-generated`` sends 5,000 a route.
"""

from __future__ import annotations

import gzip
import json
import os
import socket
import ssl
from collections.abc import Iterator
from random import Random
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from telemetry.gateway.routes.openapi import description
from tests.support.gateway.answers import DocumentedAnswers
from tests.support.gateway.credentials import GatewayFiles
from tests.support.gateway.generated_requests import GeneratedRequests
from tests.support.gateway.served import Served

COUNT = int(os.environ.get("GENERATED_REQUESTS", "1000"))
DESCRIPTION = description()
OPERATIONS = [
    (path, method) for path, item in DESCRIPTION["paths"].items() for method in item if path.startswith("/v1/")
]
_PATIENCE = 120.0
_GROWTH = 64 << 20
"""Bytes; a body that is not let go of would be more after some dozen requests."""
_CUT = 64 << 10
_CONFIG = """\
service_name = "gateway"
environment = "test"

[audit_config]
enabled = false

[audit_config.shared_streams]

[gateway_config]
refused_per_minute = 10
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> GatewayFiles:
    return GatewayFiles(tmp_path_factory.mktemp("gateway"))


@pytest.fixture(scope="module")
def served(files: GatewayFiles) -> Iterator[Served]:
    config = files.folder / "gateway.toml"
    config.write_text(_CONFIG)
    config.chmod(0o600)
    with Served(config, files.folder, *files.options(client_certificates="optional")) as running:
        yield running
        assert running.end() == 0
        assert "Traceback" not in running.errors()
        assert "request failed" not in running.errors()


def _context(files: GatewayFiles, *, has_certificate: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(files.authority.file))
    if has_certificate:
        context.load_cert_chain(*files.payments.arguments())
    return context


def _memory(served: Served) -> int:
    return int(psutil.Process(served.process.pid).memory_info().rss)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_generated_requests(served: Served, files: GatewayFiles, path: str, method: str) -> None:
    answers = DocumentedAnswers(DESCRIPTION)
    statuses: dict[int, int] = {}
    memory = 0
    generated = GeneratedRequests(DESCRIPTION, path, method, seed=2).take(COUNT)
    with (
        httpx.Client(verify=_context(files, has_certificate=True), base_url=served.url, timeout=_PATIENCE) as known,
        httpx.Client(verify=_context(files, has_certificate=False), base_url=served.url, timeout=_PATIENCE) as unknown,
    ):
        for number, request in enumerate(generated):
            headers = [(name.encode(), value.encode("latin-1")) for name, value in request.headers]
            client = known
            # One in ten comes from nobody, from a token that is none, or from a token beside the certificate's service.
            if number % 10 == 0:
                client = unknown
                tokens = ("", "Bearer nonesuch", f"Bearer {files.token}", "Basic eA==")
                if token := tokens[number // 10 % len(tokens)]:
                    headers.append((b"Authorization", token.encode()))
            answer = client.request(request.method, request.target, content=request.body, headers=headers)
            answers.require(path, method, answer.status_code, answer.headers, answer.content)
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
            if number == COUNT // 5:
                memory = _memory(served)
    assert 500 not in statuses
    assert 401 in statuses
    assert (200 if path in {"/v1/logs", "/v1/openapi.json"} else 202) in statuses
    assert _memory(served) - memory < _GROWTH


@pytest.mark.parametrize("path", [path for path, method in OPERATIONS if method == "post"])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_body_that_is_cut_at_every_64_kib(served: Served, files: GatewayFiles, path: str, coding: str) -> None:
    # Random, so that gzip does not make it small.
    payload = Random(3).randbytes(3_000).hex()  # noqa: S311 - nothing secret
    events = [
        {"event_type": "a", "user_id": "b", "payload": payload[number:] + payload[:number]} for number in range(80)
    ]
    body = json.dumps(events).encode() if coding == "identity" else gzip.compress(json.dumps(events).encode(), 1)
    target = path.replace("{name}", "okta")
    lines = [
        f"POST {target} HTTP/1.1",
        "Host: gateway",
        "Content-Type: application/json",
        f"Content-Encoding: {coding}",
        f"Content-Length: {len(body)}",
    ]
    for at in range(0, len(body), _CUT):
        with _connected(served, files) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + body[:at])
    # All that the cut bodies took of the room has come back, so that a whole one is answered.
    with _connected(served, files) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 "), answer[:100]
    assert answer.split()[1] in {b"202", b"400", b"422"}


def _connected(served: Served, files: GatewayFiles) -> ssl.SSLSocket:
    address = urlsplit(served.url)
    plain = socket.create_connection((address.hostname, address.port), _PATIENCE)
    return _context(files, has_certificate=True).wrap_socket(plain, server_hostname=address.hostname)
