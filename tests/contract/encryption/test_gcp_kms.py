"""Cloud KMS: versions, checksums both ways, credentials, and the part a record may not steer."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from traceback import TracebackException
from typing import Any

import pytest
import trustme

from telemetry.config import EncryptionConfig
from telemetry.encryption.providers.gcp_kms import GcpKmsProvider
from telemetry.exceptions import (
    ConfigurationError,
    KeyAccessDeniedError,
    KeyDisabledError,
    KeyMismatchError,
    KeyNotFoundError,
    KeyThrottledError,
    KeyUnreachableError,
)
from tests.contract.encryption.conftest import Tls
from tests.services.cloud_kms import key_name, kms_config
from tests.support.fakes.cloud_kms import DESTROY_SCHEDULED, DESTROYED, DISABLED, ENABLED, FakeCloudKms

CONTEXT = {"service": "shop", "environment": "production", "purpose": "telemetry-audit", "format": "1"}
ConfigOf = Callable[..., EncryptionConfig]


@pytest.fixture
def name(cloud_kms: FakeCloudKms) -> str:
    name = f"kek-{secrets.token_hex(4)}"
    cloud_kms.add_version(key_name(name))
    return name


@pytest.fixture
def config_of(cloud_kms: FakeCloudKms, tls: Tls, service_account: Path, name: str) -> Any:
    def make(**fields: Any) -> EncryptionConfig:
        values = {"ca_path": tls.ca_path, "service_account": service_account, **fields}
        return kms_config(cloud_kms, name, **values)

    yield make
    cloud_kms.allow_all()
    cloud_kms.resume()


def test_rotated_key_leaves_old_records_readable(cloud_kms: FakeCloudKms, config_of: ConfigOf, name: str) -> None:
    with GcpKmsProvider(config_of()) as provider:
        before = provider.generate_data_key(CONTEXT)
        cloud_kms.add_version(key_name(name))
        after = provider.generate_data_key(CONTEXT)
        assert [made.key_uri for made in (before, after)] == [
            f"gcp-kms://{key_name(name)}/cryptoKeyVersions/{number}" for number in (1, 2)
        ]
        for made in (before, after):
            assert provider.unwrap(made.wrapped, made.key_uri, CONTEXT) == made.plaintext


@pytest.mark.parametrize("state", [DISABLED, DESTROY_SCHEDULED, DESTROYED])
def test_key_version_that_is_not_enabled(cloud_kms: FakeCloudKms, config_of: ConfigOf, name: str, state: str) -> None:
    with GcpKmsProvider(config_of()) as provider:
        made = provider.generate_data_key(CONTEXT)
        cloud_kms.set_state(key_name(name), state)
        with pytest.raises(KeyDisabledError):
            provider.generate_data_key(CONTEXT)
        with pytest.raises(KeyDisabledError):
            provider.unwrap(made.wrapped, made.key_uri, CONTEXT)
        cloud_kms.set_state(key_name(name), ENABLED)
        assert provider.unwrap(made.wrapped, made.key_uri, CONTEXT) == made.plaintext


@pytest.mark.parametrize("what", ["request", "answer"])
def test_data_altered_on_the_way_is_noticed(cloud_kms: FakeCloudKms, config_of: ConfigOf, what: str) -> None:
    with GcpKmsProvider(config_of()) as provider:
        made = provider.generate_data_key(CONTEXT)
        cloud_kms.corrupt(what)
        with pytest.raises(KeyUnreachableError):
            provider.generate_data_key(CONTEXT)
        with pytest.raises(KeyUnreachableError) as caught:
            provider.unwrap(made.wrapped, made.key_uri, CONTEXT)
    shown = "".join(TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "_verified_decrypt" in shown or what == "request"
    assert "plaintext" not in shown


def test_server_without_checksums_is_refused(
    cloud_kms: FakeCloudKms, config_of: ConfigOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with GcpKmsProvider(config_of()) as provider:
        original = provider._ask

        def without_checksums(method: Any, request: dict[str, Any]) -> Any:
            return original(method, {field: value for field, value in request.items() if "crc32c" not in field})

        monkeypatch.setattr(provider, "_ask", without_checksums)
        with pytest.raises(KeyUnreachableError, match="CRC32C"):
            provider.generate_data_key(CONTEXT)


@pytest.mark.parametrize(
    "uri",
    [
        "gcp-kms://{other}",
        "gcp-kms://{other}/cryptoKeyVersions/1",
        "gcp-kms://{key}2",
        "gcp-kms://{key}/cryptoKeyVersions/",
        "gcp-kms://{key}/cryptoKeyVersions/1/x",
        "gcp-kms://{key}/cryptoKeyVersions/-1",
        "gcp-kms://{key}/cryptoKeyVersions/99999999999",
        "{key}",
        "aws-kms://{key}",
    ],
)
def test_record_cannot_steer_the_reader(cloud_kms: FakeCloudKms, config_of: ConfigOf, name: str, uri: str) -> None:
    with GcpKmsProvider(config_of()) as provider:
        made = provider.generate_data_key(CONTEXT)
        before = cloud_kms.calls("Decrypt")
        with pytest.raises(KeyMismatchError, match="was not called"):
            provider.unwrap(made.wrapped, uri.format(key=key_name(name), other=key_name("other")), CONTEXT)
        assert cloud_kms.calls("Decrypt") == before


def test_key_that_does_not_exist(config_of: ConfigOf) -> None:
    config = config_of(gcp_key_name="none")
    with GcpKmsProvider(config) as provider, pytest.raises(KeyNotFoundError, match="gcp_key_name"):
        provider.check()


def test_writer_without_the_right_to_decrypt(cloud_kms: FakeCloudKms, config_of: ConfigOf) -> None:
    cloud_kms.refuse("Decrypt")
    with GcpKmsProvider(config_of(writer_only=True)) as writer:
        writer.check()
    with GcpKmsProvider(config_of()) as reader, pytest.raises(KeyAccessDeniedError, match="useToDecrypt"):
        reader.check()


def test_reader_needs_no_right_but_to_decrypt(cloud_kms: FakeCloudKms, config_of: ConfigOf) -> None:
    with GcpKmsProvider(config_of()) as writer:
        made = writer.generate_data_key(CONTEXT)
    cloud_kms.refuse("Encrypt")
    with GcpKmsProvider(config_of()) as reader:
        assert reader.unwrap(made.wrapped, made.key_uri, CONTEXT) == made.plaintext


@pytest.mark.parametrize("code", ["RESOURCE_EXHAUSTED", "UNAVAILABLE", "INTERNAL"])
def test_passing_fault_is_tried_again(cloud_kms: FakeCloudKms, config_of: ConfigOf, code: str) -> None:
    cloud_kms.refuse("Encrypt", code=code, times=2)
    before = cloud_kms.calls("Encrypt")
    with GcpKmsProvider(config_of(max_retries=2)) as provider:
        assert provider.generate_data_key(CONTEXT).wrapped
    assert cloud_kms.calls("Encrypt") - before == 3


def test_tries_are_limited(cloud_kms: FakeCloudKms, config_of: ConfigOf) -> None:
    cloud_kms.refuse("Encrypt", code="RESOURCE_EXHAUSTED")
    before = cloud_kms.calls("Encrypt")
    with GcpKmsProvider(config_of(max_retries=1)) as provider, pytest.raises(KeyThrottledError):
        provider.generate_data_key(CONTEXT)
    assert cloud_kms.calls("Encrypt") - before == 2, "only this library tries again, not the SDK as well"


def test_hanging_service_is_given_up(cloud_kms: FakeCloudKms, config_of: ConfigOf) -> None:
    with GcpKmsProvider(config_of(timeout_ms=300)) as provider:
        cloud_kms.hang()
        began = time.monotonic()
        with pytest.raises(KeyUnreachableError):
            provider.generate_data_key(CONTEXT)
        assert time.monotonic() - began < 20


def test_server_of_unknown_authority_is_refused(cloud_kms: FakeCloudKms, config_of: ConfigOf, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    config = config_of(ca_path=tmp_path / "other.pem", timeout_ms=2_000)
    before = cloud_kms.calls("Encrypt")
    with GcpKmsProvider(config) as provider, pytest.raises(KeyUnreachableError):
        provider.check()
    assert cloud_kms.calls("Encrypt") == before


def test_no_credentials_anywhere(config_of: ConfigOf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    config = config_of().model_copy(update={"gcp_credentials_path": None})
    with GcpKmsProvider(config) as provider, pytest.raises(KeyAccessDeniedError, match="credentials"):
        provider.check()


def test_credentials_of_the_default_chain(
    config_of: ConfigOf, service_account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account))
    with GcpKmsProvider(config_of().model_copy(update={"gcp_credentials_path": None})) as provider:
        provider.check()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"project_id": "a/b"}, "project_id"),
        ({"location": ".."}, "location"),
        ({"key_ring": "x y"}, "key_ring"),
        ({"gcp_key_name": "k/cryptoKeyVersions/1"}, "gcp_key_name"),
        ({"endpoint_url": "http://127.0.0.1:1"}, "endpoint_url"),
        ({"endpoint_url": "https://kms.example/path"}, "endpoint_url"),
        ({"ca_path": Path("/nowhere/ca.pem")}, "ca_path"),
        ({"gcp_credentials_path": Path("/nowhere/account.json")}, "gcp_credentials_path"),
    ],
)
def test_configuration_that_cannot_work(config_of: ConfigOf, fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named), GcpKmsProvider(config_of(**fields)) as provider:
        provider.check()
