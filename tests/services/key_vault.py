"""Configures and creates providers for the fake Key Vault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from telemetry.config import EncryptionConfig
from telemetry.encryption.providers.azure_keyvault import AzureKeyVaultProvider
from tests.support.fakes.key_vault import FakeAzureCredential, FakeKeyVault

VAULT = "https://audit.vault.azure.net"


def vault_config(vault: FakeKeyVault, ca_path: Path, name: str, **fields: Any) -> EncryptionConfig:
    """Return the configuration of an ``azure_keyvault`` provider that reaches the fake."""
    values: dict[str, Any] = {
        "provider": "azure_keyvault",
        "vault_url": VAULT,
        "key_name": name,
        "endpoint_url": vault.url,
        "ca_path": ca_path,
        "max_retries": 0,
    }
    return EncryptionConfig(**{**values, **fields})


def provider_of(vault: FakeKeyVault, config: EncryptionConfig, *, token: str | None = None) -> AzureKeyVaultProvider:
    """Return a provider with a token of the fake; azure-identity's own sources all need Microsoft's servers."""

    class Provider(AzureKeyVaultProvider):
        def _new_credential(self) -> FakeAzureCredential:
            return FakeAzureCredential(vault.token if token is None else token)

    return Provider(config)
