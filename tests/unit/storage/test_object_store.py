"""What the cloud stores refuse, trust and check before an event depends on them."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest
import trustme

from telemetry.config import StorageConfig
from telemetry.exceptions import (
    ConfigurationError,
    LifecycleError,
    MissingExtraError,
    StorageAccessDeniedError,
    StorageLimitError,
    StorageNotFoundError,
    StorageUnreachableError,
)
from telemetry.storage import StorageProviderFactory, object_calls, object_store
from tests.services.gcs import gcs_config_of
from tests.support.fakes.gcs import FakeGcs

S3 = {"provider": "aws_s3", "bucket_name": "b", "aws_region": "eu-west-1"}
S3_KEYS = {"aws_access_key_id": "id", "aws_secret_access_key": "secret-canary"}
AZURE = {"provider": "azure_blob", "account_name": "account", "container_name": "container"}
GCS = {"provider": "gcp_storage", "gcp_bucket_name": "b"}


@pytest.fixture
def server() -> Iterator[FakeGcs]:
    with FakeGcs() as server:
        yield server


def problems(fields: dict[str, Any]) -> str:
    with pytest.raises(ConfigurationError) as raised:
        StorageProviderFactory.create(StorageConfig(**fields))
    assert "canary" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({**S3, **S3_KEYS, "endpoint_url": "http://127.0.0.1:9"}, "endpoint_url: has no TLS"),
        ({**S3, **S3_KEYS, "endpoint_url": "ftp://127.0.0.1:9"}, "endpoint_url: is not a plain URL"),
        ({**S3, **S3_KEYS, "endpoint_url": "nonsense"}, "endpoint_url: is not a plain URL"),
        ({**S3, **S3_KEYS, "endpoint_url": "https://user:canary@host"}, "endpoint_url: is not a plain URL"),
        ({**S3, **S3_KEYS, "prefix": "a//b"}, "prefix: it cannot begin an object's name"),
        ({**S3, **S3_KEYS, "prefix": "../b"}, "prefix: it cannot begin an object's name"),
        ({**S3, **S3_KEYS, "prefix": "p" * 200}, "prefix: it cannot begin an object's name"),
        ({**S3, **S3_KEYS, "ca_path": Path("/nowhere/ca.pem")}, "ca_path: cannot be read"),
        ({**S3, "aws_access_key_id": "id"}, "aws_secret_access_key: is required with aws_access_key_id"),
        ({**S3, "aws_secret_access_key": "canary"}, "aws_access_key_id: is required with aws_secret_access_key"),
        ({**S3, "aws_session_token": "canary"}, "aws_session_token: is needed only with a key"),
        ({**S3, **S3_KEYS, "sse_kms_key_id": "k"}, "sse_kms_key_id: is used by aws:kms only"),
        ({**AZURE, "azure_account_key": "canary", "azure_sas_token": "canary"}, "more than one kind of credentials"),
        ({**AZURE, "azure_client_secret": "canary"}, "azure_tenant_id: is required with azure_client_secret"),
        ({**AZURE, "azure_account_key": "not base64 canary"}, "the store cannot be set up"),
        ({**GCS, "gcp_credentials_path": Path("/nowhere/key.json")}, "gcp_credentials_path: '/nowhere/key.json'"),
    ],
    ids=str,
)
def test_configuration_that_cannot_work_is_refused(fields: dict[str, Any], expected: str) -> None:
    assert expected in problems(fields)


def test_authority_file_that_is_not_pem(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("nonsense")
    assert "the store cannot be set up" in problems({**S3, **S3_KEYS, "ca_path": path})


@pytest.mark.parametrize(("fields", "extra"), [(S3, "aws"), (AZURE, "azure"), (GCS, "gcp")], ids=str)
def test_obstore_not_installed(fields: dict[str, Any], extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "obstore", None)
    with pytest.raises(MissingExtraError) as raised:
        StorageProviderFactory.create(StorageConfig(**fields))
    assert f"telemetry-audit[{extra}]" in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "module", "extra"),
    [(S3, "boto3", "aws"), (AZURE, "azure.identity", "azure"), (GCS, "google.auth", "gcp")],
    ids=str,
)
def test_default_chain_without_the_clouds_sdk(
    fields: dict[str, Any], module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError) as raised:
        StorageProviderFactory.create(StorageConfig(**fields))
    assert f"telemetry-audit[{extra}]" in str(raised.value)


@pytest.mark.parametrize("mode", ["AES256", "aws:kms", "aws:kms:dsse"])
def test_server_side_encryption_is_asked_for(mode: str) -> None:
    key = {} if mode == "AES256" else {"sse_kms_key_id": "alias/audit"}
    config = StorageConfig(**S3, **S3_KEYS, server_side_encryption=mode, **key)  # type: ignore[arg-type]
    with StorageProviderFactory.create(config) as provider:
        settings = provider._store.config  # type: ignore[attr-defined]
    assert settings["server_side_encryption"] == mode
    assert settings.get("sse_kms_key_id") == key.get("sse_kms_key_id")


def test_environment_cannot_switch_protection_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
    monkeypatch.setenv("AWS_ALLOW_INVALID_CERTIFICATES", "true")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    with StorageProviderFactory.create(StorageConfig(**S3, **S3_KEYS)) as provider:  # type: ignore[arg-type]
        store = provider._store  # type: ignore[attr-defined]
    assert store.config["conditional_put"] == "etag"
    assert store.client_options["allow_invalid_certificates"] in (False, "false")
    assert store.client_options["allow_http"] in (False, "false")


@pytest.mark.parametrize("text", ["secret-canary", "{}", '{"type": "service_account", "private_key": "canary"}'])
def test_damaged_service_account_key_file(text: str, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(text)
    assert "is not a service-account key" in problems({**GCS, "gcp_credentials_path": path})


def test_no_secret_in_repr() -> None:
    with StorageProviderFactory.create(StorageConfig(**S3, **S3_KEYS, prefix="a/b/")) as provider:  # type: ignore[arg-type]
        assert repr(provider) == "AwsS3Provider('s3://b/a/b')"


def tls_context(authority: trustme.CA, host: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


def test_private_authority_is_trusted_by_its_file(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with FakeGcs(tls=tls_context(authority, "127.0.0.1")) as server:
        config = gcs_config_of(server, ca_path=tmp_path / "ca.pem", allow_http=False)
        with StorageProviderFactory.create(config) as provider:
            provider.check()


def test_certificate_of_unknown_authority(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    for ca_path in (None, tmp_path / "other.pem"):
        with FakeGcs(tls=tls_context(trustme.CA(), "127.0.0.1")) as server:
            config = gcs_config_of(server, ca_path=ca_path, allow_http=False, max_retries=0)
            with (
                StorageProviderFactory.create(config) as provider,
                pytest.raises(StorageUnreachableError, match="unknown authority: set ca_path"),
            ):
                provider.check()
            assert server.names == []


def test_certificate_for_another_host(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with FakeGcs(tls=tls_context(authority, "elsewhere.example")) as server:
        config = gcs_config_of(server, ca_path=tmp_path / "ca.pem", allow_http=False, max_retries=0)
        with (
            StorageProviderFactory.create(config) as provider,
            pytest.raises(StorageUnreachableError, match="another host name"),
        ):
            provider.check()


@pytest.mark.parametrize("operation", ["put", "get", "list", "delete"])
def test_check_names_the_permission_that_is_missing(server: FakeGcs, operation: str) -> None:
    with StorageProviderFactory.create(gcs_config_of(server)) as provider:
        server.refuse(operation)
        with pytest.raises(StorageAccessDeniedError) as raised:
            provider.check()
        right = {"put": "create"}.get(operation, operation)
        assert f"grant storage.objects.{right} on the bucket" in str(raised.value)


def test_check_cleans_up_after_a_refusal(server: FakeGcs) -> None:
    with StorageProviderFactory.create(gcs_config_of(server)) as provider:
        server.refuse("get")
        with pytest.raises(StorageAccessDeniedError):
            provider.check()
        assert server.names == []


def test_check_refuses_a_store_that_overwrites(server: FakeGcs) -> None:
    server.ignore_preconditions()
    with (
        StorageProviderFactory.create(gcs_config_of(server)) as provider,
        pytest.raises(StorageLimitError, match="overwrites existing objects"),
    ):
        provider.check()


def test_check_names_a_missing_bucket(server: FakeGcs) -> None:
    config = gcs_config_of(server, gcp_bucket_name="no-such-bucket")
    with (
        StorageProviderFactory.create(config) as provider,
        pytest.raises(StorageNotFoundError, match=r"gs://no-such-bucket/.* no such bucket"),
    ):
        provider.check()


def test_wrong_token(server: FakeGcs) -> None:
    config = gcs_config_of(server, gcp_bearer_token="wrong-canary")
    with (
        StorageProviderFactory.create(config) as provider,
        pytest.raises(StorageAccessDeniedError, match="HTTP 401") as raised,
    ):
        provider.check()
    assert "canary" not in str(raised.value)


def test_too_large_object_is_not_read(server: FakeGcs, monkeypatch: pytest.MonkeyPatch) -> None:
    with StorageProviderFactory.create(gcs_config_of(server)) as provider:
        provider.put("t/foreign", b"x" * 1_001)
        monkeypatch.setattr(object_calls, "MAX_OBJECT_BYTES", 1_000)
        with pytest.raises(StorageLimitError, match="larger than 1000 bytes"):
            provider.get("t/foreign")


def test_object_that_vanishes_between_refusal_and_comparison(server: FakeGcs, monkeypatch: pytest.MonkeyPatch) -> None:
    # The other writer's object is replayed and deleted just then: the name is free, and the write succeeds.
    with StorageProviderFactory.create(gcs_config_of(server)) as provider:
        provider.put("t/x", b"another's")
        provider.put("t/kept", b"1")
        read = provider.get

        def replayed(name: str) -> bytes:
            provider.delete(name)
            return read(name)

        monkeypatch.setattr(provider, "get", replayed)
        provider.put("t/x", b"mine")
        assert read("t/x") == b"mine"


def test_closed_store_refuses_every_call(server: FakeGcs) -> None:
    provider = StorageProviderFactory.create(gcs_config_of(server))
    provider.close()
    provider.close()
    for call in (
        lambda: provider.put("t/x", b"1"),
        lambda: provider.get("t/x"),
        lambda: list(provider.list()),
        lambda: provider.delete("t/x"),
        provider.check,
    ):
        with pytest.raises(LifecycleError, match="gs://fake-bucket is closed"):
            call()


def test_foreign_object_with_an_odd_name(server: FakeGcs) -> None:
    with StorageProviderFactory.create(gcs_config_of(server)) as provider:
        obstore.put(provider._store, "t/odd name (1) ä%.txt", b"1")  # type: ignore[attr-defined]
        assert [stored.name for stored in provider.list("t/")] == ["t/odd name (1) ä%.txt"]
        assert provider.get("t/odd name (1) ä%.txt") == b"1"
        provider.delete("t/odd name (1) ä%.txt")
        assert server.names == []
