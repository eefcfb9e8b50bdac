"""Credentials of each cloud's own chain reach the store, and their absence is an error."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import azure.identity
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from telemetry.config import StorageConfig
from telemetry.exceptions import StorageError, StorageUnreachableError
from telemetry.storage import StorageProviderFactory
from tests.services.gcs import gcs_config_of
from tests.support.fakes.gcs import FakeGcs


class _Recorder(ThreadingHTTPServer):
    """Answers POST with a text, everything else with 403, and keeps the Authorization headers."""

    daemon_threads = True
    answer = b""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.authorizations: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: _Recorder

    def do_POST(self) -> None:
        self._answer(200, self.server.answer)

    def do_PUT(self) -> None:
        self.server.authorizations.append(self.headers.get("Authorization", ""))
        self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")

    def _answer(self, status: int, body: bytes) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in http.server
        """Say nothing."""


@contextmanager
def recorder() -> Iterator[_Recorder]:
    server = _Recorder()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_refused(config: StorageConfig) -> StorageError:
    with StorageProviderFactory.create(config) as provider, pytest.raises(StorageError) as raised:
        provider.put("t/x", b"1")
    return raised.value


def s3(server: _Recorder, **fields: Any) -> StorageConfig:
    return StorageConfig(
        provider="aws_s3", bucket_name="b", endpoint_url=server.url, allow_http=True, max_retries=0, **fields
    )


def test_aws_chain_and_its_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "chain-key-id")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with recorder() as server:
        write_refused(s3(server))
    assert "Credential=chain-key-id/" in server.authorizations[0]
    assert "/eu-central-1/s3/" in server.authorizations[0]


def test_explicit_aws_credentials_go_before_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "chain-key-id")
    with recorder() as server:
        write_refused(
            s3(server, aws_access_key_id="explicit-id", aws_secret_access_key="secret", aws_region="eu-north-1")
        )
    assert "Credential=explicit-id/" in server.authorizations[0]
    assert "/eu-north-1/s3/" in server.authorizations[0]


def test_no_aws_credentials_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with recorder() as server:
        error = write_refused(s3(server))
    assert isinstance(error, StorageUnreachableError)
    assert "no credentials could be obtained" in str(error)
    assert "boto3 finds no AWS credentials" in str(error.__cause__)
    assert server.authorizations == []


class _Token(NamedTuple):
    token: str
    expires_on: int


def test_azure_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    class Chain:
        def __init__(self, **chosen: str) -> None:
            assert chosen == {"managed_identity_client_id": "client-id"}

        def get_token(self, *scopes: str) -> _Token:
            assert scopes == ("https://storage.azure.com/.default",)
            return _Token("chain-token", 4_000_000_000)

    monkeypatch.setattr(azure.identity, "DefaultAzureCredential", Chain)
    with recorder() as server:
        config = StorageConfig(
            provider="azure_blob",
            account_name="account",
            container_name="container",
            azure_client_id="client-id",
            endpoint_url=f"{server.url}/account",
            allow_http=True,
            max_retries=0,
        )
        write_refused(config)
    assert server.authorizations == ["Bearer chain-token"]


def service_account_key(path: Path, token_uri: str) -> Path:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    info = {
        "type": "service_account",
        "client_email": "audit@project.example",
        "private_key": pem.decode(),
        "private_key_id": "1",
        "token_uri": token_uri,
    }
    path.write_text(json.dumps(info))
    return path


@pytest.mark.parametrize("way", ["gcp_credentials_path", "GOOGLE_APPLICATION_CREDENTIALS"])
def test_google_service_account(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeGcs() as store, recorder() as tokens:
        tokens.answer = json.dumps({"access_token": store.token, "expires_in": 3_600}).encode()
        path = service_account_key(tmp_path / "key.json", f"{tokens.url}/token")
        fields = {"gcp_credentials_path": path} if way.islower() else {}
        if not fields:
            monkeypatch.setenv(way, str(path))
            monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "project")
        with StorageProviderFactory.create(gcs_config_of(store, gcp_bearer_token=None, **fields)) as provider:
            provider.check()


def test_no_google_credentials_anywhere() -> None:
    with (
        FakeGcs() as store,
        StorageProviderFactory.create(gcs_config_of(store, gcp_bearer_token=None)) as provider,
        pytest.raises(StorageUnreachableError, match="no credentials could be obtained"),
    ):
        provider.check()
