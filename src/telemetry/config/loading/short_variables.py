"""Lists the short environment variables of the common settings: loading, documents and ``telemetry config`` use this table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from telemetry.config.loading.resource_names import key_fields, store_fields
from telemetry.exceptions import ConfigurationError, Problem

PREFIX = "TELEMETRY_"
_KAFKA = ("audit_config", "kafka_config")
_ENCRYPTION = ("audit_config", "encryption_config")
_SIGNING = ("audit_config", "signing_config")
_STORAGE = ("audit_config", "storage_config")

FieldPath = tuple[str, ...]


class ShortVariable(NamedTuple):
    """A variable with a short name.

    Attributes:
        stem: Its name after ``TELEMETRY_``.
        section: Section of the fields that it stands for.
        field: The field; with ``read``, the fields that it may fill, joined by commas.
        example: A value, for documents.
        read: Turns the value into several fields of the section; None where the value is that of the field.
        meaning: What the value is, where ``read`` is given; otherwise it is what the field is.
    """

    stem: str
    section: FieldPath
    field: str
    example: str
    read: Callable[[str], Mapping[str, Any]] | None = None
    meaning: str = ""

    @property
    def name(self) -> str:
        """Name of the variable."""
        return PREFIX + self.stem

    @property
    def paths(self) -> list[FieldPath]:
        """The fields that it may fill."""
        return [(*self.section, name) for name in self.field.split(",")]

    def fields(self, value: str) -> Iterator[tuple[FieldPath, Any]]:
        """Yield the path and the value of each field that a value fills.

        Raises:
            ConfigurationError: The value cannot be read.
        """
        try:
            named = {self.field: value} if self.read is None else self.read(value)
        except ConfigurationError as exc:
            raise ConfigurationError(*(Problem(self.name, each.reason, each.remedy) for each in exc.problems)) from None
        for field, filled in named.items():
            yield (*self.section, field), filled


def _local_key(path: str) -> dict[str, str]:
    return {"provider": "local_key", "key_path": path}


def _listen(addresses: str) -> dict[str, list[str]]:
    return {"listen": [address.strip() for address in addresses.split(",")]}


_AUDIT = ("audit_config",)
_GATEWAY = ("gateway_config",)
_EXPLORER = ("explorer_config",)
_OIDC = (*_EXPLORER, "oidc")
SHORT_VARIABLES = (
    ShortVariable("SERVICE_NAME", (), "service_name", "payments"),
    ShortVariable("ENVIRONMENT", (), "environment", "production"),
    ShortVariable("VERSION", (), "version", "1.4.2"),
    ShortVariable("KAFKA_BROKERS", _AUDIT, "kafka_brokers", "kafka-1:9093,kafka-2:9093"),
    ShortVariable("KAFKA_TOPIC", _AUDIT, "kafka_topic", "audit-events"),
    ShortVariable("KAFKA_SECURITY_PROTOCOL", _AUDIT, "security_protocol", "SASL_SSL"),
    ShortVariable("KAFKA_MECHANISM", _KAFKA, "mechanism", "SCRAM-SHA-512"),
    ShortVariable("KAFKA_USERNAME", _KAFKA, "username", "payments"),
    ShortVariable("KAFKA_PASSWORD", _KAFKA, "password", ""),
    ShortVariable("KAFKA_PASSWORD_FILE", _KAFKA, "password_file", "/run/secrets/kafka-password"),
    ShortVariable("KAFKA_CA", _KAFKA, "ssl_ca_location", "/etc/payments/kafka-ca.pem"),
    ShortVariable("KAFKA_CERTIFICATE", _KAFKA, "ssl_certificate_location", "/etc/payments/client.pem"),
    ShortVariable("KAFKA_PRIVATE_KEY", _KAFKA, "ssl_key_location", "/etc/payments/client.key"),
    ShortVariable("KAFKA_PRIVATE_KEY_PASSWORD", _KAFKA, "ssl_key_password", ""),
    ShortVariable(
        "KAFKA_PRIVATE_KEY_PASSWORD_FILE", _KAFKA, "ssl_key_password_file", "/run/secrets/client-key-password"
    ),
    ShortVariable(
        "KMS_KEY",
        _ENCRYPTION,
        "provider,kms_key_id,vault_url,key_name,key_version,project_id,location,key_ring,gcp_key_name",
        "alias/audit",
        key_fields,
        "the key and its service: ARN, alias/NAME or id of AWS KMS, https://VAULT/keys/NAME of Azure, "
        "projects/P/locations/L/keyRings/R/cryptoKeys/K of Google Cloud",
    ),
    ShortVariable(
        "KEY_PATH",
        _ENCRYPTION,
        "provider,key_path",
        "/var/lib/payments/audit.key",
        _local_key,
        "key file of the provider local_key",
    ),
    ShortVariable("PASSPHRASE", _ENCRYPTION, "passphrase", ""),
    ShortVariable("PASSPHRASE_FILE", _ENCRYPTION, "passphrase_file", "/run/secrets/audit-passphrase"),
    ShortVariable("SIGNING_KEY", _SIGNING, "key_path", "/etc/payments/signing.key"),
    ShortVariable("SIGNING_PASSPHRASE", _SIGNING, "passphrase", ""),
    ShortVariable("SIGNING_PASSPHRASE_FILE", _SIGNING, "passphrase_file", "/run/secrets/signing-passphrase"),
    ShortVariable(
        "STORAGE_URL",
        _STORAGE,
        "provider,bucket_name,gcp_bucket_name,account_name,container_name,prefix,base_path",
        "s3://payments-audit/fallback",
        store_fields,
        "the fallback store: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX "
        "or file:///FOLDER",
    ),
    ShortVariable("STORAGE_SECRET", _AUDIT, "storage_secret", ""),
    ShortVariable("STORAGE_SECRET_FILE", _AUDIT, "storage_secret_file", "/run/secrets/storage-secret"),
    ShortVariable("SPOOL_PATH", _AUDIT, "spool_path", "/var/lib/payments/audit-spool"),
    ShortVariable("SPOOL_MAX_BYTES", _AUDIT, "spool_max_bytes", "1073741824"),
    ShortVariable("WAIT_FOR", _AUDIT, "wait_for", "durable"),
    ShortVariable("READ_AUDIT", _AUDIT, "read_audit", "required"),
    ShortVariable("TRUST_FILE", _AUDIT, "trust_file", "/etc/payments/trust.toml"),
    ShortVariable("OUTBOX_DATABASE", ("outbox_config",), "database", ""),
    ShortVariable("OUTBOX_DATABASE_FILE", ("outbox_config",), "database_file", "/run/secrets/outbox-database"),
    ShortVariable(
        "GATEWAY_LISTEN",
        _GATEWAY,
        "listen",
        "https://0.0.0.0:4318,unix:/run/telemetry/gateway.sock",
        _listen,
        "addresses of the gateway, joined by commas",
    ),
    ShortVariable("GATEWAY_CERTIFICATE", _GATEWAY, "tls_certificate", "/etc/telemetry/tls/tls.crt"),
    ShortVariable("GATEWAY_PRIVATE_KEY", _GATEWAY, "tls_key", "/etc/telemetry/tls/tls.key"),
    ShortVariable("GATEWAY_CLIENT_CA", _GATEWAY, "client_ca", "/etc/telemetry/tls/ca.crt"),
    ShortVariable("GATEWAY_IDENTITIES", _GATEWAY, "identities", "/etc/telemetry/identities.toml"),
    ShortVariable("EXPLORER_LISTEN", _EXPLORER, "listen", "https://0.0.0.0:8443"),
    ShortVariable("EXPLORER_CERTIFICATE", _EXPLORER, "tls_certificate", "/etc/telemetry/tls/tls.crt"),
    ShortVariable("EXPLORER_PRIVATE_KEY", _EXPLORER, "tls_key", "/etc/telemetry/tls/tls.key"),
    ShortVariable("EXPLORER_CLIENT_SECRET", _OIDC, "client_secret", ""),
    ShortVariable("EXPLORER_CLIENT_SECRET_FILE", _OIDC, "client_secret_file", "/run/secrets/explorer-client-secret"),
)
"""Each stands for fields that also have a long name, ``TELEMETRY_`` and the path joined by ``__``."""


def long_name(path: FieldPath) -> str:
    """Return the long variable of a field."""
    return PREFIX + "__".join(path).upper()


def value_at(values: Any, path: FieldPath) -> Any:
    """Return what nested mappings have at a path; None if that is nothing."""
    for name in path:
        if not isinstance(values, Mapping):
            return None
        values = values.get(name)
    return values
