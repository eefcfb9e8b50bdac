"""Configures the store of the events while Kafka is not accepting them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from telemetry.config.encryption import require_fields
from telemetry.config.model import ConfigModel
from telemetry.config.secret_files import SecretFiles

_REQUIRED: dict[str, tuple[str, ...]] = {
    "aws_s3": ("bucket_name",),
    "azure_blob": ("account_name", "container_name"),
    "gcp_storage": ("gcp_bucket_name",),
    "local_file": ("base_path",),
}


class StorageConfig(ConfigModel):
    """Configuration of the store of the events while Kafka is not accepting them.

    Attributes:
        provider: ``aws_s3``, ``azure_blob``, ``gcp_storage``, ``local_file``, or the name of a registered provider.
        prefix: Every object's name starts with it.
        bucket_name: ``aws_s3``: bucket.
        aws_region: ``aws_s3``: region; default: the AWS chain, else ``us-east-1``.
        aws_access_key_id: ``aws_s3``: explicit credentials instead of the default chain.
        aws_secret_access_key: ``aws_s3``: goes with ``aws_access_key_id``.
        aws_secret_access_key_file: File whose first line is ``aws_secret_access_key``.
        aws_session_token: ``aws_s3``: goes with temporary credentials.
        aws_session_token_file: File whose first line is ``aws_session_token``.
        server_side_encryption: ``aws_s3``: ``AES256``, ``aws:kms`` or ``aws:kms:dsse``.
        sse_kms_key_id: ``aws_s3``: key for ``aws:kms`` and ``aws:kms:dsse``.
        account_name: ``azure_blob``: storage account.
        container_name: ``azure_blob``: container.
        azure_account_key: ``azure_blob``: shared key instead of the default chain.
        azure_account_key_file: File whose first line is ``azure_account_key``.
        azure_sas_token: ``azure_blob``: shared access signature instead of the default chain.
        azure_sas_token_file: File whose first line is ``azure_sas_token``.
        azure_tenant_id: ``azure_blob``: with client id and secret, explicit credentials.
        azure_client_id: ``azure_blob``: application, or user-assigned managed identity when no secret is given.
        azure_client_secret: ``azure_blob``: explicit credentials instead of the default chain.
        azure_client_secret_file: File whose first line is ``azure_client_secret``.
        gcp_bucket_name: ``gcp_storage``: bucket.
        gcp_credentials_path: ``gcp_storage``: service-account file instead of the default chain.
        gcp_bearer_token: ``gcp_storage``: fixed OAuth 2.0 access token instead of the default chain.
        gcp_bearer_token_file: File whose first line is ``gcp_bearer_token``.
        base_path: ``local_file``: folder; created with mode 0700 if it is absent.
        endpoint_url: Private endpoint or emulator of the store; ``http://`` only with ``allow_http``.
        allow_http: Permit an endpoint without TLS.
        ca_path: PEM file of authorities that are trusted beside the system's.
        timeout_ms: Limit of one request, in milliseconds.
        max_retries: Attempts after the first.
    """

    secret_files: ClassVar[SecretFiles] = {
        "aws_secret_access_key_file": "aws_secret_access_key",
        "aws_session_token_file": "aws_session_token",
        "azure_account_key_file": "azure_account_key",
        "azure_sas_token_file": "azure_sas_token",
        "azure_client_secret_file": "azure_client_secret",
        "gcp_bearer_token_file": "gcp_bearer_token",
    }

    provider: str = Field(min_length=1)
    prefix: str = ""

    bucket_name: str | None = None
    aws_region: str | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_secret_access_key_file: Path | None = None
    aws_session_token: SecretStr | None = None
    aws_session_token_file: Path | None = None
    server_side_encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = None
    sse_kms_key_id: str | None = None

    account_name: str | None = None
    container_name: str | None = None
    azure_account_key: SecretStr | None = None
    azure_account_key_file: Path | None = None
    azure_sas_token: SecretStr | None = None
    azure_sas_token_file: Path | None = None
    azure_tenant_id: str | None = None
    azure_client_id: str | None = None
    azure_client_secret: SecretStr | None = None
    azure_client_secret_file: Path | None = None

    gcp_bucket_name: str | None = None
    gcp_credentials_path: Path | None = None
    gcp_bearer_token: SecretStr | None = None
    gcp_bearer_token_file: Path | None = None

    base_path: Path | None = None

    endpoint_url: str | None = None
    allow_http: bool = False
    ca_path: Path | None = None
    timeout_ms: int = Field(default=10_000, ge=1, le=600_000)
    max_retries: int = Field(default=3, ge=0, le=20)

    @model_validator(mode="after")
    def _has_the_fields_of_its_provider(self) -> Self:
        require_fields(self, self.provider, _REQUIRED)
        return self
