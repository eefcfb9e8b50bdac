"""Keeps objects in Google Cloud Storage: the fallback store ``gcp_storage``."""

from __future__ import annotations

from datetime import UTC
from importlib import import_module
from typing import TYPE_CHECKING, Any

from telemetry.config import StorageConfig
from telemetry.config.endpoints import store_endpoint
from telemetry.config.secret_files import require_unchangeable
from telemetry.exceptions import ConfigurationError, MissingExtraError, Problem
from telemetry.storage.object_store import ObjectStoreProvider, Permissions

if TYPE_CHECKING:
    from obstore.store import GCSConfig, GCSCredential, GCSStore

_SCOPES = ("https://www.googleapis.com/auth/devstorage.read_write",)
_ROLE = "the role Storage Object User"


class GcpStorageProvider(ObjectStoreProvider):
    """Keeps objects in a bucket of Cloud Storage (``gcp_storage``).

    Permissions of the process's service account on the bucket: ``storage.objects.create``, ``storage.objects.get``,
    ``storage.objects.list``, ``storage.objects.delete``, as in the role Storage Object User
    (``roles/storage.objectUser``).

    Credentials: ``gcp_credentials_path`` (a service-account key), or ``gcp_bearer_token`` (fixed, for short jobs), else
    the Application Default Credentials of google-auth: the file that ``GOOGLE_APPLICATION_CREDENTIALS`` names (also a
    workload-identity configuration), the gcloud login, or the attached service account.

    Args:
        config: ``gcp_bucket_name`` is required.
    """

    extra = "gcp"
    permissions = Permissions(
        put=f"storage.objects.create on the bucket ({_ROLE})",
        get=f"storage.objects.get on the bucket ({_ROLE})",
        list=f"storage.objects.list on the bucket ({_ROLE})",
        delete=f"storage.objects.delete on the bucket ({_ROLE})",
    )

    @property
    def location(self) -> str:
        """``gs://bucket/prefix``."""
        return "/".join(part for part in (f"gs://{self.config.gcp_bucket_name}", self._prefix) if part)

    def _create_store(self) -> GCSStore:
        from obstore.store import GCSStore  # noqa: PLC0415 - absent without the extra

        settings: GCSConfig = {"skip_signature": False}
        endpoint = store_endpoint(self.config)
        if endpoint:
            settings["base_url"] = endpoint
        if self.config.gcp_bearer_token is not None:
            settings["bearer_token"] = self.config.gcp_bearer_token.get_secret_value()
        return GCSStore(
            self.config.gcp_bucket_name,
            prefix=self._prefix or None,
            config=settings,
            client_options=self._client_options,
            retry_config=self._retry_config,
            credential_provider=None if "bearer_token" in settings else _GoogleCredentials(self.config),
        )


class _GoogleCredentials:
    """Gives obstore the tokens of google-auth, which knows more kinds of credentials than obstore's own code."""

    def __init__(self, config: StorageConfig) -> None:
        try:
            self._auth: Any = import_module("google.auth")
            self._transport: Any = import_module("google.auth.transport.requests")
            self._accounts: Any = import_module("google.oauth2.service_account")
        except ImportError as exc:
            feature = "gcp_storage without gcp_bearer_token"
            raise MissingExtraError(feature, "gcp") from exc
        self._credentials: Any = self._load(config) if config.gcp_credentials_path else None

    def __call__(self) -> GCSCredential:
        # Not before the first request, in the store's own thread: it may ask the metadata server.
        if self._credentials is None:
            self._credentials = self._auth.default(scopes=_SCOPES)[0]
        self._credentials.refresh(self._transport.Request())
        expiry = self._credentials.expiry
        return {"token": self._credentials.token, "expires_at": expiry.replace(tzinfo=UTC) if expiry else None}

    def _load(self, config: StorageConfig) -> Any:
        path = config.gcp_credentials_path
        if path is not None:
            require_unchangeable(path, field="gcp_credentials_path")
        try:
            return self._accounts.Credentials.from_service_account_file(str(path), scopes=_SCOPES)
        except (OSError, ValueError) as exc:
            why = "is not a service-account key" if isinstance(exc, ValueError) else f"cannot be read: {exc.strerror}"
            problem = Problem("gcp_credentials_path", f"{str(path)!r} {why}", "name a service account's key file")
            raise ConfigurationError(problem) from None  # the parser's error may quote the file
