"""Configures the key service that wraps the data keys, and the signing key."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, SecretStr, SerializeAsAny, model_validator

from telemetry.config.further_keys import with_further_keys
from telemetry.config.model import ConfigModel
from telemetry.config.secret_files import SecretFiles
from telemetry.exceptions import ConfigurationError, Problem

_REQUIRED: dict[str, tuple[str, ...]] = {
    "aws_kms": ("kms_key_id",),
    "azure_keyvault": ("vault_url", "key_name"),
    "gcp_kms": ("project_id", "location", "key_ring", "gcp_key_name"),
    "local_key": ("key_path", "passphrase"),
}


def require_fields(model: ConfigModel, provider: str, required: dict[str, tuple[str, ...]]) -> None:
    """Raise one ``ConfigurationError`` naming every field that the provider needs and the model lacks."""
    absent = [name for name in required.get(provider, ()) if not getattr(model, name)]
    if absent:
        raise ConfigurationError(
            *(Problem(name, f"is required by the provider {provider!r}", "set it") for name in absent)
        )


# One class for all providers, as the specification's examples construct it; each provider reads its own fields.
class EncryptionConfig(ConfigModel):
    """Configuration of the key service that wraps the data keys.

    Attributes:
        provider: ``aws_kms``, ``azure_keyvault``, ``gcp_kms``, ``local_key``, ``recovery_key``, or the name of a registered one.
        kms_key_id: ``aws_kms``: key id, key ARN, alias name or alias ARN.
        aws_region: ``aws_kms``: region; default: the AWS SDK's own chain.
        aws_profile: ``aws_kms``: profile of the shared AWS configuration.
        aws_access_key_id: ``aws_kms``: explicit credentials instead of the default chain.
        aws_secret_access_key: ``aws_kms``: goes with ``aws_access_key_id``.
        aws_secret_access_key_file: File whose first line is ``aws_secret_access_key``.
        aws_session_token: ``aws_kms``: goes with temporary credentials.
        aws_session_token_file: File whose first line is ``aws_session_token``.
        vault_url: ``azure_keyvault``: ``https://NAME.vault.azure.net``.
        key_name: ``azure_keyvault``: name of an RSA or oct-HSM key.
        key_version: ``azure_keyvault``: version to wrap with; default: the newest.
        azure_tenant_id: ``azure_keyvault``: with client id and secret, explicit credentials.
        azure_client_id: ``azure_keyvault``: application, or user-assigned managed identity when no secret is given.
        azure_client_secret: ``azure_keyvault``: explicit credentials instead of the default chain.
        azure_client_secret_file: File whose first line is ``azure_client_secret``.
        project_id: ``gcp_kms``: project of the key ring.
        location: ``gcp_kms``: location of the key ring, such as ``europe-west1`` or ``global``.
        key_ring: ``gcp_kms``: name of the key ring.
        gcp_key_name: ``gcp_kms``: name of the crypto key.
        gcp_credentials_path: ``gcp_kms``: service-account file instead of the default chain.
        key_path: ``local_key``: key file; created on first use, mode 0600.
        passphrase: ``local_key``: protects the key file.
        passphrase_file: File whose first line is ``passphrase``.
        pbkdf2_iterations: ``local_key``: PBKDF2-HMAC-SHA-256 rounds for a new file (OWASP: at least 600,000).
        endpoint_url: Private endpoint or emulator of the key service.
        ca_path: PEM file of the authorities that the endpoint's certificate must chain to.
        timeout_ms: Limit of one call to the key service, in milliseconds.
        max_retries: Attempts after the first for a throttled or unreachable key service.
        writer_only: This process may wrap but not unwrap; ``start()`` then only wraps a trial key.
        public_key: ``recovery_key``: public half of the offline key, as ``telemetry keys recovery create`` prints it.
        previous_keys: Earlier keys of the trail that readers accept besides the current one, each with the fields of its
            provider; an entry of the same provider has every field that it does not set from the current key.
        recipients: Further keys that wrap each data key too, so that each of them opens the trail when the current key is
            lost: of a second key service, or a ``recovery_key``; with the same fields.
    """

    secret_files: ClassVar[SecretFiles] = {
        "aws_secret_access_key_file": "aws_secret_access_key",
        "aws_session_token_file": "aws_session_token",
        "azure_client_secret_file": "azure_client_secret",
        "passphrase_file": "passphrase",
    }

    provider: str = Field(min_length=1)

    kms_key_id: str | None = None
    aws_region: str | None = None
    aws_profile: str | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_secret_access_key_file: Path | None = None
    aws_session_token: SecretStr | None = None
    aws_session_token_file: Path | None = None

    vault_url: str | None = None
    key_name: str | None = None
    key_version: str | None = None
    azure_tenant_id: str | None = None
    azure_client_id: str | None = None
    azure_client_secret: SecretStr | None = None
    azure_client_secret_file: Path | None = None

    project_id: str | None = None
    location: str | None = None
    key_ring: str | None = None
    gcp_key_name: str | None = None
    gcp_credentials_path: Path | None = None

    key_path: Path | None = None
    passphrase: SecretStr | None = None
    passphrase_file: Path | None = None
    pbkdf2_iterations: int = Field(default=600_000, ge=600_000, le=100_000_000)

    endpoint_url: str | None = None
    ca_path: Path | None = None
    timeout_ms: int = Field(default=5_000, ge=1, le=600_000)
    max_retries: int = Field(default=3, ge=0, le=20)
    writer_only: bool = False
    public_key: str | None = None
    previous_keys: tuple[SerializeAsAny[EncryptionConfig], ...] = ()
    recipients: tuple[SerializeAsAny[EncryptionConfig], ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _completes_further_keys(cls, values: Any) -> Any:
        return with_further_keys(values, EncryptionConfig)

    @model_validator(mode="after")
    def _has_the_fields_of_its_provider(self) -> Self:
        require_fields(self, self.provider, _REQUIRED)
        return self


class SigningConfig(ConfigModel):
    """The Ed25519 key that signs checkpoints.

    Attributes:
        key_path: Key file created by ``telemetry keys init-signing``; mode 0600.
        passphrase: Protects the key file.
        passphrase_file: File whose first line is ``passphrase``.
        every_events: A checkpoint after this many events.
        every_seconds: A checkpoint after this many seconds with new events.
    """

    secret_files: ClassVar[SecretFiles] = {
        "passphrase_file": "passphrase",
    }

    key_path: Path
    passphrase: SecretStr
    passphrase_file: Path | None = None
    every_events: int = Field(default=1_000, ge=1, le=1_000_000)
    every_seconds: float = Field(default=10.0, gt=0, le=86_400)
