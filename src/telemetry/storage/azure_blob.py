"""Keeps objects in Azure Blob Storage: the fallback store ``azure_blob``."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from telemetry.config import StorageConfig
from telemetry.config.endpoints import require_together, store_endpoint
from telemetry.exceptions import ConfigurationError, MissingExtraError, Problem
from telemetry.storage.object_store import ObjectStoreProvider, Permissions

if TYPE_CHECKING:
    from obstore.store import AzureBearerToken, AzureConfig, AzureStore

_SCOPE = "https://storage.azure.com/.default"
_ROLE = "the role Storage Blob Data Contributor"
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"


class AzureBlobProvider(ObjectStoreProvider):
    """Keeps objects as block blobs in a container (``azure_blob``).

    Permissions of the process's identity: the role Storage Blob Data Contributor on the container, or a custom
    role with the data actions ``Microsoft.Storage/storageAccounts/blobServices/containers/blobs/`` ``read``, ``write``
    and ``delete``. A shared access signature needs the permissions ``rwdl`` on the container.

    Credentials: ``azure_account_key``, or ``azure_sas_token``, or ``azure_tenant_id`` with ``azure_client_id`` and
    ``azure_client_secret``; else the chain of azure-identity: environment, workload identity, managed identity
    (``azure_client_id`` alone chooses a user-assigned one), developer tools.

    Args:
        config: ``account_name`` and ``container_name`` are required.
    """

    extra = "azure"
    permissions = Permissions(
        put=f"{_ROLE} on the container ({_BLOBS}/write; w in a shared access signature)",
        get=f"{_ROLE} on the container ({_BLOBS}/read; r in a shared access signature)",
        list=f"{_ROLE} on the container ({_BLOBS}/read; l in a shared access signature)",
        delete=f"{_ROLE} on the container ({_BLOBS}/delete; d in a shared access signature)",
    )

    @property
    def location(self) -> str:
        """``azure://account/container/prefix``."""
        parts = (f"azure://{self.config.account_name}", self.config.container_name, self._prefix)
        return "/".join(part for part in parts if part)

    def _create_store(self) -> AzureStore:
        from obstore.store import AzureStore  # noqa: PLC0415 - absent without the extra

        settings = self._settings()
        return AzureStore(
            self.config.container_name,
            prefix=self._prefix or None,
            config=settings,
            client_options=self._client_options,
            retry_config=self._retry_config,
            credential_provider=None if _has_credentials(settings) else _DefaultChain(self.config),
        )

    def _settings(self) -> AzureConfig:
        config = self.config
        # Stated, so that no environment variable sends objects to an emulator, or without a signature.
        settings: AzureConfig = {
            "account_name": config.account_name or "",
            "use_emulator": False,
            "skip_signature": False,
        }
        endpoint = store_endpoint(config)
        if endpoint:
            settings["endpoint"] = endpoint
        self._add_credentials(settings)
        return settings

    def _add_credentials(self, settings: AzureConfig) -> None:
        config = self.config
        # obstore would silently choose one of them.
        kinds = [config.azure_account_key, config.azure_sas_token, config.azure_client_secret]
        if sum(kind is not None for kind in kinds) > 1:
            problem = Problem(
                "azure_account_key", "more than one kind of credentials is given", "keep the key, the SAS or the secret"
            )
            raise ConfigurationError(problem)
        if config.azure_account_key is not None:
            settings["account_key"] = config.azure_account_key.get_secret_value()
        elif config.azure_sas_token is not None:
            settings["sas_key"] = config.azure_sas_token.get_secret_value().lstrip("?")
        elif config.azure_client_secret is not None:
            require_together(config, "azure_client_secret", "azure_tenant_id", "azure_client_id")
            settings["tenant_id"] = config.azure_tenant_id or ""
            settings["client_id"] = config.azure_client_id or ""
            settings["client_secret"] = config.azure_client_secret.get_secret_value()


def _has_credentials(settings: AzureConfig) -> bool:
    return not settings.keys().isdisjoint(("account_key", "sas_key", "client_secret"))


class _DefaultChain:
    """Gives obstore the tokens of azure-identity's chain, which knows more sources than obstore's own."""

    def __init__(self, config: StorageConfig) -> None:
        try:
            identity: Any = import_module("azure.identity")
        except ImportError as exc:
            feature = "azure_blob without explicit credentials"
            raise MissingExtraError(feature, "azure") from exc
        chosen = {"managed_identity_client_id": config.azure_client_id} if config.azure_client_id else {}
        self._credential = identity.DefaultAzureCredential(**chosen)

    def __call__(self) -> AzureBearerToken:
        token = self._credential.get_token(_SCOPE)
        return {"token": token.token, "expires_at": datetime.fromtimestamp(token.expires_on, UTC)}
