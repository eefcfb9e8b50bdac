"""Credentials that were renewed outside the process are used at the next request, without a restart."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import azure.identity
import google.auth
import pytest

from telemetry.config import StorageConfig
from telemetry.exceptions import StorageAccessDeniedError, StorageCredentialsError
from telemetry.storage import StorageProvider, StorageProviderFactory
from tests.services.gcs import gcs_config_of
from tests.support.fakes.gcs import FakeGcs
from tests.support.until import until

_REFUSALS = ["ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "AccessDenied"]


class _Door(ThreadingHTTPServer):
    """A store that accepts any request with the present credentials, and says why it refuses others."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.accepted = ""
        self.refusal = (403, "ExpiredToken")
        self.requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: _Door

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests += 1
        is_accepted = self.server.accepted in self.headers.get("Authorization", "")
        status, code = (200, "") if is_accepted else self.server.refusal
        body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"1"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in http.server
        """Say nothing."""


@pytest.fixture
def door() -> Iterator[_Door]:
    server = _Door()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def aws_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path / "credentials"


def _write_key(file: Path, name: str) -> None:
    part = file.with_suffix(".part")
    part.write_text(f"[default]\naws_access_key_id = {name}\naws_secret_access_key = secret\n")
    part.replace(file)


def _s3(door: _Door) -> StorageProvider:
    config = StorageConfig(
        provider="aws_s3",
        bucket_name="b",
        aws_region="us-east-1",
        endpoint_url=door.url,
        allow_http=True,
        max_retries=0,
    )
    return StorageProviderFactory.create(config)


@pytest.mark.parametrize("code", _REFUSALS[:-1])
def test_s3_file_renewed_before_the_refusal(code: str, door: _Door, aws_file: Path) -> None:
    _write_key(aws_file, "first")
    door.accepted, door.refusal = "Credential=first/", (403, code)
    with _s3(door) as store:
        store.put("t/1", b"1")
        _write_key(aws_file, "second")
        door.accepted = "Credential=second/"

        store.put("t/2", b"1")


def test_s3_file_renewed_after_the_refusal(door: _Door, aws_file: Path) -> None:
    _write_key(aws_file, "first")
    door.accepted = "Credential=second/"
    with _s3(door) as store:
        with pytest.raises(StorageCredentialsError, match="renew the credentials") as caught:
            store.put("t/1", b"1")
        assert caught.value.retriable
        _write_key(aws_file, "second")

        until(lambda: _works(store), what="a request with the renewed key")


def test_missing_right_renews_nothing(door: _Door, aws_file: Path) -> None:
    _write_key(aws_file, "first")
    door.accepted, door.refusal = "Credential=second/", (403, _REFUSALS[-1])
    with _s3(door) as store:
        with pytest.raises(StorageAccessDeniedError, match="grant s3:PutObject"):
            store.put("t/1", b"1")
        assert door.requests == 1


class _Token(NamedTuple):
    token: str
    expires_on: int


def test_azure_credential_is_created_anew(door: _Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "certificate"

    class Chain:
        """Reads its file once, as azure-identity does with a certificate."""

        def __init__(self) -> None:
            self._token = file.read_text()

        def get_token(self, *_: str) -> _Token:
            return _Token(self._token, 4_000_000_000)

    monkeypatch.setattr(azure.identity, "DefaultAzureCredential", Chain)
    file.write_text("first")
    door.accepted, door.refusal = "Bearer first", (401, "InvalidAuthenticationInfo")
    config = StorageConfig(
        provider="azure_blob",
        account_name="account",
        container_name="container",
        endpoint_url=f"{door.url}/account",
        allow_http=True,
        max_retries=0,
    )
    with StorageProviderFactory.create(config) as store:
        store.put("t/1", b"1")
        file.write_text("second")
        door.accepted = "Bearer second"

        store.put("t/2", b"1")


def test_google_token_is_fetched_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token.json"

    class Credentials:
        """A credential that was read from a file once, as an authorized user's is."""

        expiry = None

        def __init__(self) -> None:
            self.token = json.loads(file.read_text())["token"]

        def refresh(self, _: object) -> None:
            """Keep the token."""

    monkeypatch.setattr(google.auth, "default", lambda **_: (Credentials(), "project"))
    with FakeGcs() as gcs:
        file.write_text(json.dumps({"token": gcs.token}))
        with StorageProviderFactory.create(gcs_config_of(gcs, gcp_bearer_token=None)) as store:
            store.put("t/1", b"1")
            gcs.replace_token("second")
            file.write_text(json.dumps({"token": "second"}))

            store.put("t/2", b"1")


def _works(store: StorageProvider) -> bool:
    try:
        store.put("t/1", b"1")
    except StorageAccessDeniedError:
        return False
    return True
