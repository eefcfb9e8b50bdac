"""Key Vault: versions, key types, the context inside, and that the vault does every wrap itself."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import SecretStr

from telemetry.config import EncryptionConfig
from telemetry.encryption.providers.azure_keyvault import AzureKeyVaultProvider
from telemetry.exceptions import (
    ConfigurationError,
    KeyAccessDeniedError,
    KeyDisabledError,
    KeyMismatchError,
    KeyNotFoundError,
    KeyServiceError,
    KeyThrottledError,
    KeyUnreachableError,
)
from tests.contract.encryption.conftest import Tls
from tests.services.key_vault import provider_of, vault_config
from tests.support.fakes.key_vault import FakeKeyVault

CONTEXT = {"service": "shop", "environment": "production", "purpose": "telemetry-audit", "format": "1"}


@pytest.fixture(params=["RSA", "oct-HSM"])
def kty(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def name(key_vault: FakeKeyVault, kty: str) -> str:
    name = f"kek-{secrets.token_hex(4)}"
    key_vault.add_key(name, kty=kty)
    return name


@pytest.fixture
def config(key_vault: FakeKeyVault, tls: Tls, name: str) -> EncryptionConfig:
    return vault_config(key_vault, tls.ca_path, name)


@pytest.fixture
def provider(key_vault: FakeKeyVault, config: EncryptionConfig) -> Iterator[AzureKeyVaultProvider]:
    with provider_of(key_vault, config) as provider:
        yield provider


@pytest.fixture(autouse=True)
def _obliging(key_vault: FakeKeyVault) -> Iterator[None]:
    yield
    key_vault.allow_all()
    key_vault.resume()


def test_vault_wraps_every_key_itself(key_vault: FakeKeyVault, provider: AzureKeyVaultProvider) -> None:
    # The SDK would wrap RSA locally, and for oct-HSM with random bytes that nobody has.
    before = key_vault.calls("wrapkey")
    made = [provider.generate_data_key(CONTEXT) for _ in range(3)]
    assert key_vault.calls("wrapkey") - before == 3
    assert all(provider.unwrap(key.wrapped, key.key_uri, CONTEXT) == key.plaintext for key in made)


def test_uri_names_the_exact_version(
    key_vault: FakeKeyVault, provider: AzureKeyVaultProvider, name: str, kty: str
) -> None:
    before = provider.generate_data_key(CONTEXT)
    version = key_vault.add_key(name, kty=kty)
    after = provider.generate_data_key(CONTEXT)
    assert after.key_uri == f"azure-keyvault://audit.vault.azure.net/{name}/{version}"
    assert before.key_uri != after.key_uri
    for made in (before, after):
        assert provider.unwrap(made.wrapped, made.key_uri, CONTEXT) == made.plaintext
    with pytest.raises(KeyMismatchError):
        provider.unwrap(before.wrapped, after.key_uri, CONTEXT)


def test_pinned_version_is_kept(
    key_vault: FakeKeyVault, tls: Tls, name: str, kty: str, provider: AzureKeyVaultProvider
) -> None:
    version = provider.generate_data_key(CONTEXT).key_uri.rpartition("/")[2]
    key_vault.add_key(name, kty=kty)
    with provider_of(key_vault, vault_config(key_vault, tls.ca_path, name, key_version=version)) as pinned:
        assert pinned.generate_data_key(CONTEXT).key_uri.rpartition("/")[2] == version
        key_vault.set_enabled(name, False)
        with pytest.raises(KeyDisabledError):
            pinned.generate_data_key(CONTEXT)


def test_reader_needs_no_right_but_unwrap(key_vault: FakeKeyVault, config: EncryptionConfig, name: str) -> None:
    with provider_of(key_vault, config) as writer:
        made = writer.generate_data_key(CONTEXT)
    key_vault.refuse("get")
    key_vault.refuse("wrapkey")
    with provider_of(key_vault, config) as reader:
        assert reader.unwrap(made.wrapped, made.key_uri, CONTEXT) == made.plaintext


def test_writer_without_the_right_to_unwrap(key_vault: FakeKeyVault, tls: Tls, name: str) -> None:
    key_vault.refuse("unwrapkey")
    with provider_of(key_vault, vault_config(key_vault, tls.ca_path, name, writer_only=True)) as writer:
        writer.check()
    with (
        provider_of(key_vault, vault_config(key_vault, tls.ca_path, name)) as reader,
        pytest.raises(KeyAccessDeniedError, match="unwrapKey"),
    ):
        reader.check()


@pytest.mark.parametrize(
    "uri",
    [
        "azure-keyvault://evil.vault.azure.net/{name}/{version}",
        "azure-keyvault://audit.vault.azure.net.evil.example/{name}/{version}",
        "azure-keyvault://audit.vault.azure.net/other/{version}",
        "azure-keyvault://audit.vault.azure.net/{name}",
        "azure-keyvault://audit.vault.azure.net/{name}/",
        "azure-keyvault://audit.vault.azure.net/{name}/../other",
        "azure-keyvault://audit.vault.azure.net/{name}/{version}/unwrapkey",
        "azure-keyvault://audit.vault.azure.net/{name}/{version}?x=",
        "https://audit.vault.azure.net/keys/{name}/{version}",
    ],
)
def test_record_cannot_steer_the_reader(
    key_vault: FakeKeyVault, provider: AzureKeyVaultProvider, name: str, uri: str
) -> None:
    made = provider.generate_data_key(CONTEXT)
    before = key_vault.calls("unwrapkey")
    with pytest.raises(KeyMismatchError, match="was not called"):
        provider.unwrap(made.wrapped, uri.format(name=name, version=made.key_uri[-32:]), CONTEXT)
    assert key_vault.calls("unwrapkey") == before


def test_version_that_does_not_exist(provider: AzureKeyVaultProvider) -> None:
    made = provider.generate_data_key(CONTEXT)
    with pytest.raises(KeyNotFoundError):
        provider.unwrap(made.wrapped, made.key_uri[:-32] + "0" * 32, CONTEXT)


def test_key_wrapped_elsewhere_without_context(
    key_vault: FakeKeyVault, provider: AzureKeyVaultProvider, name: str, kty: str
) -> None:
    # Anyone with the public half of an RSA key can wrap; the result is accepted only with the context inside.
    made = provider.generate_data_key(CONTEXT)
    version = made.key_uri[-32:]
    for payload in (bytes(32), bytes(64), bytes(24)):
        answer = provider._post(version, "wrapkey", made.wrapped[1], payload)
        forged = made.wrapped[:2] + base64.urlsafe_b64decode(answer["value"] + "==")
        with pytest.raises(KeyMismatchError):
            provider.unwrap(forged, made.key_uri, CONTEXT)


def test_expired_key_still_unwraps(key_vault: FakeKeyVault, provider: AzureKeyVaultProvider, name: str) -> None:
    made = provider.generate_data_key(CONTEXT)
    key_vault.expire(name)
    with pytest.raises(KeyDisabledError, match="dates"):
        provider.generate_data_key(CONTEXT)
    assert provider.unwrap(made.wrapped, made.key_uri, CONTEXT) == made.plaintext


def test_deleted_and_recovered_key(key_vault: FakeKeyVault, provider: AzureKeyVaultProvider, name: str) -> None:
    key_vault.delete(name)
    with pytest.raises(KeyNotFoundError, match="recovered"):
        provider.check()
    key_vault.recover(name)
    provider.check()


def test_key_of_an_unfit_type(key_vault: FakeKeyVault, tls: Tls) -> None:
    name = f"ec-{secrets.token_hex(4)}"
    key_vault.add_key(name, kty="EC")
    with (
        provider_of(key_vault, vault_config(key_vault, tls.ca_path, name)) as provider,
        pytest.raises(KeyServiceError, match="RSA or oct-HSM"),
    ):
        provider.check()


def test_token_that_the_vault_refuses(key_vault: FakeKeyVault, config: EncryptionConfig) -> None:
    with provider_of(key_vault, config, token="stolen") as provider, pytest.raises(KeyAccessDeniedError) as caught:
        provider.check()
    assert "stolen" not in str(caught.value)


@pytest.mark.parametrize(("status", "code"), [(429, "Throttled"), (503, "ServiceUnavailable")])
def test_passing_fault_is_tried_again(key_vault: FakeKeyVault, tls: Tls, name: str, status: int, code: str) -> None:
    key_vault.refuse("wrapkey", status=status, code=code, times=2)
    before = key_vault.calls("wrapkey")
    with provider_of(key_vault, vault_config(key_vault, tls.ca_path, name, max_retries=2)) as provider:
        assert provider.generate_data_key(CONTEXT).wrapped
    assert key_vault.calls("wrapkey") - before == 3


def test_tries_are_limited(key_vault: FakeKeyVault, tls: Tls, name: str) -> None:
    key_vault.refuse("wrapkey", status=429, code="Throttled")
    before = key_vault.calls("wrapkey")
    config = vault_config(key_vault, tls.ca_path, name, max_retries=1)
    with provider_of(key_vault, config) as provider, pytest.raises(KeyThrottledError):
        provider.generate_data_key(CONTEXT)
    assert key_vault.calls("wrapkey") - before == 2, "only this library tries again, not the SDK as well"


def test_hanging_vault_is_given_up(key_vault: FakeKeyVault, tls: Tls, name: str) -> None:
    with provider_of(key_vault, vault_config(key_vault, tls.ca_path, name, timeout_ms=300)) as provider:
        provider.check()
        key_vault.hang()
        began = time.monotonic()
        with pytest.raises(KeyUnreachableError):
            provider.generate_data_key(CONTEXT)
        assert time.monotonic() - began < 20
        key_vault.resume()
        assert provider.generate_data_key(CONTEXT).wrapped


def test_server_of_unknown_authority_is_refused(key_vault: FakeKeyVault, name: str, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    before = key_vault.calls("get")
    config = vault_config(key_vault, tmp_path / "other.pem", name)
    with provider_of(key_vault, config) as provider, pytest.raises(KeyUnreachableError):
        provider.check()
    assert key_vault.calls("get") == before


def test_foreign_host_gets_no_token(key_vault: FakeKeyVault, tls: Tls, name: str) -> None:
    # Without endpoint_url the SDK compares the challenge's resource with the host that sent it.
    config = vault_config(key_vault, tls.ca_path, name, vault_url=key_vault.url, endpoint_url=None)
    before = key_vault.calls("get")
    with provider_of(key_vault, config) as provider, pytest.raises(KeyUnreachableError, match="not a Key Vault"):
        provider.check()
    assert key_vault.calls("get") == before


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"vault_url": "audit"}, "vault_url"),
        ({"vault_url": "http://audit.vault.azure.net"}, "vault_url"),
        ({"endpoint_url": "http://127.0.0.1:1"}, "endpoint_url"),
        ({"key_name": "a/b"}, "key_name"),
        ({"key_version": "newest"}, "key_version"),
        ({"azure_client_secret": SecretStr("hidden")}, "azure_tenant_id"),
        ({"ca_path": Path("/nowhere/ca.pem")}, "ca_path"),
    ],
)
def test_configuration_that_cannot_work(config: EncryptionConfig, fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as caught:
        AzureKeyVaultProvider(config.model_copy(update=fields))
    assert "hidden" not in str(caught.value)


def test_credentials_of_azure_identity(config: EncryptionConfig) -> None:
    chosen: dict[str, dict[str, Any]] = {
        "ClientSecretCredential": {
            "azure_tenant_id": "00000000-0000-0000-0000-000000000000",
            "azure_client_id": "app",
            "azure_client_secret": SecretStr("hidden"),
        },
        "DefaultAzureCredential": {"azure_client_id": "identity"},
    }
    for kind, fields in chosen.items():
        with AzureKeyVaultProvider(config.model_copy(update=fields)) as provider:
            credential = provider._new_credential()
            assert type(credential).__name__ == kind
            credential.close()  # type: ignore[attr-defined]  # of azure-identity's classes


def test_redirect_does_not_take_a_data_key_along(key_vault: FakeKeyVault, provider: AzureKeyVaultProvider) -> None:
    key_vault.refuse("wrapkey", status=307)
    before = key_vault.calls("wrapkey")

    with pytest.raises(KeyServiceError):
        provider.generate_data_key(CONTEXT)

    # The SDK would repeat the body at any address, also at one without TLS.
    assert key_vault.calls("wrapkey") == before + 1
