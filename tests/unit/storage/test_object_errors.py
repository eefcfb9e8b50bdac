"""Every exception of obstore becomes one of ours, which says what to do and gives no secret away."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import obstore.exceptions
import pytest

from telemetry.config import StorageConfig
from telemetry.exceptions import (
    StorageAccessDeniedError,
    StorageError,
    StorageFullError,
    StorageLimitError,
    StorageNotFoundError,
    StorageUnreachableError,
)
from telemetry.storage import StorageProvider, StorageProviderFactory
from telemetry.storage.object_errors import KINDS, is_store_failure, redacted, translate

SECRET = "SECRET-canary-0123456789"


def obstore_classes() -> list[type[Exception]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        members = [getattr(obstore.exceptions, name) for name in dir(obstore.exceptions)]
    return [kind for kind in members if inspect.isclass(kind) and issubclass(kind, Exception)]


def test_every_exception_of_obstore_is_mapped() -> None:
    names = {kind.__name__ for kind in obstore_classes()}
    assert len(names) > 10
    assert names <= KINDS.keys(), f"obstore has exceptions that are not mapped: {sorted(names - KINDS.keys())}"


@pytest.mark.parametrize("kind", obstore_classes(), ids=lambda kind: kind.__name__)
def test_exception_of_obstore_becomes_ours(kind: type[Exception]) -> None:
    failure = kind("Generic S3 error: something odd")
    assert is_store_failure(failure)
    error = translate(failure, doing="writing s3://bucket/name", remedy="grant s3:PutObject")
    assert isinstance(error, StorageError)
    assert str(error).startswith("writing s3://bucket/name failed: ")
    assert type(redacted(failure)) is kind


def test_foreign_exceptions_are_not_store_failures() -> None:
    assert not is_store_failure(KeyError("x"))
    assert not is_store_failure(KeyboardInterrupt())


def test_client_panic_is_a_storage_error() -> None:
    kind = type("PanicException", (BaseException,), {})
    assert is_store_failure(kind("called unwrap on None"))
    assert type(translate(kind("x"), doing="reading a", remedy="")) is StorageError
    assert isinstance(redacted(kind("x")), Exception)


def test_cause_has_no_signature_or_token() -> None:
    text = (
        f"Error performing PUT https://account.blob.core.windows.net/c/x?sv=2021&sig={SECRET} in 1ms, "
        f"Authorization: Bearer {SECRET}\n\nDebug source:\nGeneric {{ {SECRET} }}"
    )
    assert SECRET not in str(redacted(obstore.exceptions.GenericError(text)))


class _Refusing(ThreadingHTTPServer):
    """Answers every request in the same way."""

    daemon_threads = True
    status = 500
    body = b""


class _Handler(BaseHTTPRequestHandler):
    server: _Refusing

    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_GET = do_PUT = do_DELETE = do_POST = _refuse  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in http.server
        """Say nothing."""


@contextmanager
def refusing(status: int, code: str) -> Iterator[str]:
    server = _Refusing(("127.0.0.1", 0), _Handler)
    server.status = status
    server.body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{SECRET}</Message></Error>".encode()
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def make(cloud: str, url: str, **fields: Any) -> StorageProvider:
    common = {"provider": cloud, "endpoint_url": url, "allow_http": True, "max_retries": 0, **fields}
    own: dict[str, dict[str, Any]] = {
        "aws_s3": {"bucket_name": "b", "aws_access_key_id": "id", "aws_secret_access_key": SECRET},
        "azure_blob": {"account_name": "a", "container_name": "c", "azure_sas_token": f"?sv=1&sig={SECRET}"},
        "gcp_storage": {"gcp_bucket_name": "b", "gcp_bearer_token": SECRET},
    }
    return StorageProviderFactory.create(StorageConfig(**common, **own[cloud]))


CLOUDS = ("aws_s3", "azure_blob", "gcp_storage")
ANSWERS = [
    (401, "InvalidAccessKeyId", StorageAccessDeniedError),
    (403, "AccessDenied", StorageAccessDeniedError),
    (403, "RequestTimeTooSkewed", StorageAccessDeniedError),
    (404, "NoSuchBucket", StorageNotFoundError),
    (404, "ContainerNotFound", StorageNotFoundError),
    (400, "AuthenticationFailed", StorageAccessDeniedError),
    (400, "AuthorizationHeaderMalformed", StorageAccessDeniedError),
    (400, "QuotaExceeded", StorageFullError),
    (413, "EntityTooLarge", StorageLimitError),
    (429, "TooManyRequests", StorageUnreachableError),
    (503, "SlowDown", StorageUnreachableError),
    (507, "XMinioStorageFull", StorageFullError),
]


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize(("status", "code", "expected"), ANSWERS, ids=str)
def test_answers_of_the_store_are_distinguished(
    cloud: str, status: int, code: str, expected: type[StorageError]
) -> None:
    with refusing(status, code) as url, make(cloud, url) as provider:
        for attempt in (lambda: provider.put("t/x", b"1"), lambda: list(provider.list("t/"))):
            with pytest.raises(expected) as raised:
                attempt()
            assert f"({code}, HTTP {status})" in str(raised.value)
            assert_no_secret(raised.value)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_message_names_the_missing_permission(cloud: str) -> None:
    with refusing(403, "AccessDenied") as url, make(cloud, url) as provider:
        with pytest.raises(StorageAccessDeniedError) as raised:
            provider.check()
        permissions = provider.permissions  # type: ignore[attr-defined]
        assert f"grant {permissions.put}" in str(raised.value)
        with pytest.raises(StorageAccessDeniedError) as raised:
            provider.get("t/x")
        assert f"grant {permissions.get}" in str(raised.value)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_nothing_listens(cloud: str) -> None:
    with refusing(500, "x") as url:
        pass
    with make(cloud, url) as provider, pytest.raises(StorageUnreachableError, match="nothing listens") as raised:
        provider.put("t/x", b"1")
    assert_no_secret(raised.value)


def assert_no_secret(error: BaseException) -> None:
    seen: BaseException | None = error
    while seen is not None:
        assert SECRET not in str(seen)
        seen = seen.__cause__ or seen.__context__
