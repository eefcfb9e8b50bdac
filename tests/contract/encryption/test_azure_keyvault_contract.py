"""Azure Key Vault, as the fake plays it, keeps the contract of a key service, with RSA and with oct-HSM keys."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest

from telemetry.encryption import EncryptionProvider
from telemetry.encryption.listed_keys import ListedKeys
from telemetry.testing import EncryptionProviderContract
from tests.contract.encryption.conftest import Tls
from tests.services.key_vault import provider_of, vault_config
from tests.support.fakes.key_vault import FakeKeyVault


@pytest.mark.parametrize("kty", ["RSA", "oct-HSM"])
class TestAzureKeyVault(EncryptionProviderContract):
    @pytest.fixture
    def name(self, key_vault: FakeKeyVault, kty: str) -> str:
        name = f"kek-{secrets.token_hex(4)}"
        key_vault.add_key(name, kty=kty)
        return name

    @pytest.fixture
    def provider(self, key_vault: FakeKeyVault, tls: Tls, name: str) -> Iterator[EncryptionProvider]:
        with provider_of(key_vault, vault_config(key_vault, tls.ca_path, name)) as provider:
            yield provider

    @pytest.fixture
    def other(self, key_vault: FakeKeyVault, tls: Tls, kty: str) -> Iterator[EncryptionProvider]:
        name = f"other-{secrets.token_hex(4)}"
        key_vault.add_key(name, kty=kty)
        with provider_of(key_vault, vault_config(key_vault, tls.ca_path, name)) as provider:
            yield provider

    @pytest.fixture
    def successor(self, provider: EncryptionProvider, other: EncryptionProvider) -> EncryptionProvider:
        # The factory's own provider would ask Microsoft's servers for a token.
        return ListedKeys(other, [provider])

    @pytest.fixture
    def disable(self, key_vault: FakeKeyVault, name: str) -> Callable[[], None]:
        return lambda: key_vault.set_enabled(name, False)

    @pytest.fixture
    def deny(self, key_vault: FakeKeyVault) -> Iterator[Callable[[], None]]:
        def take_rights() -> None:
            key_vault.refuse("wrapkey")
            key_vault.refuse("unwrapkey")

        yield take_rights
        key_vault.allow_all()

    @pytest.fixture
    def unreachable(self, key_vault: FakeKeyVault, tls: Tls, name: str) -> Iterator[EncryptionProvider]:
        config = vault_config(key_vault, tls.ca_path, name, endpoint_url="https://127.0.0.1:9", timeout_ms=2_000)
        with provider_of(key_vault, config) as provider:
            yield provider
