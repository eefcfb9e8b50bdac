"""Configures the connection to Kafka and the identity of this process there."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import SecretStr

from telemetry.config.model import ConfigModel
from telemetry.config.secret_files import SecretFiles

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]


class KafkaConfig(ConfigModel):
    """Connection to Kafka and identity of this process there.

    Attributes:
        brokers: ``host:port,host:port``; may be given as ``AuditConfig.kafka_brokers`` instead.
        topic: May be given as ``AuditConfig.kafka_topic`` instead.
        username: SASL user name.
        password: SASL password; empty is refused by ``start()``.
        password_file: File whose first line is ``password``.
        mechanism: SASL mechanism.
        oauth_token_url: ``OAUTHBEARER``: token endpoint of the identity provider (OIDC client credentials).
        oauth_client_id: ``OAUTHBEARER``: client id.
        oauth_client_secret: ``OAUTHBEARER``: client secret.
        oauth_client_secret_file: File whose first line is ``oauth_client_secret``.
        oauth_scope: ``OAUTHBEARER``: scope to ask for.
        ssl_ca_location: PEM file of the authorities that the brokers' certificates must chain to.
        ssl_certificate_location: PEM file with this client's certificate chain.
        ssl_key_location: PEM file with this client's private key.
        ssl_key_password: Password of an encrypted private key or keystore.
        ssl_key_password_file: File whose first line is ``ssl_key_password``.
        ssl_ca_pem: The authorities as PEM text instead of a file.
        ssl_certificate_pem: The certificate chain as PEM text instead of a file.
        ssl_key_pem: The private key as PEM text instead of a file.
        ssl_keystore_location: PKCS#12 file with key and certificate, instead of PEM.
    """

    secret_files: ClassVar[SecretFiles] = {
        "password_file": "password",
        "oauth_client_secret_file": "oauth_client_secret",
        "ssl_key_password_file": "ssl_key_password",
    }

    brokers: str | None = None
    topic: str | None = None
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    mechanism: SaslMechanism = "PLAIN"
    oauth_token_url: str | None = None
    oauth_client_id: str | None = None
    oauth_client_secret: SecretStr | None = None
    oauth_client_secret_file: Path | None = None
    oauth_scope: str | None = None

    ssl_ca_location: Path | None = None
    ssl_certificate_location: Path | None = None
    ssl_key_location: Path | None = None
    ssl_key_password: SecretStr | None = None
    ssl_key_password_file: Path | None = None
    ssl_ca_pem: str | None = None
    ssl_certificate_pem: str | None = None
    ssl_key_pem: SecretStr | None = None
    ssl_keystore_location: Path | None = None

    @property
    def has_credentials(self) -> bool:
        """Whether SASL is asked for."""
        return self.username is not None or self.password is not None or self.mechanism == "OAUTHBEARER"
