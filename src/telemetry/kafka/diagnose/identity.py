"""Loads this process's certificate and trusted authorities for Python's own TLS."""

from __future__ import annotations

import datetime as dt
import os
import secrets
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509 import Certificate, load_pem_x509_certificates

from telemetry.config import KafkaConfig
from telemetry.kafka.diagnose.diagnosis import DiagnosedError, Kind

_MAX_FILE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """Everything that a TLS handshake needs, read once from the configured files or texts.

    Attributes:
        context: Verifies the broker's certificate and host name; shows this client's certificate if there is one.
        certificate: This client's own certificate, or None.
    """

    context: ssl.SSLContext
    certificate: Certificate | None

    @classmethod
    def load(cls, config: KafkaConfig | None) -> TlsIdentity:
        """Read authorities, certificate and key in whichever form they are configured.

        Raises:
            DiagnosedError: ``unusable_certificate``, naming the field.
        """
        config = config or KafkaConfig()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and host name
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # as for the client of librdkafka
        _trust(context, config)
        key, chain = _own_key(config)
        if key is not None and chain:
            _present(context, key, chain)
        return cls(context, chain[0] if chain else None)

    @property
    def validity(self) -> tuple[dt.datetime, dt.datetime] | None:
        """First and last moment at which this client's certificate is valid, in UTC; None without a certificate."""
        if self.certificate is None:
            return None
        return self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc


def _trust(context: ssl.SSLContext, config: KafkaConfig) -> None:
    location = config.ssl_ca_location
    try:
        if config.ssl_ca_pem:
            context.load_verify_locations(cadata=config.ssl_ca_pem)
        elif location is None:
            context.load_default_certs()
        elif location.is_dir():
            context.load_verify_locations(capath=location)
        else:
            context.load_verify_locations(cafile=location)
    except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError
        field = "ssl_ca_pem" if config.ssl_ca_pem else "ssl_ca_location"
        message = f"kafka_config.{field} does not contain certificates in PEM format"
        raise DiagnosedError(Kind.UNUSABLE_CERTIFICATE, message, remedy="give the authorities' certificates") from exc


def _own_key(config: KafkaConfig) -> tuple[PrivateKeyTypes | None, Sequence[Certificate]]:
    password = config.ssl_key_password.get_secret_value().encode() if config.ssl_key_password else None
    if config.ssl_keystore_location is not None:
        return _from_keystore(config.ssl_keystore_location, password)
    chain_text = _text(config.ssl_certificate_pem, config.ssl_certificate_location)
    key_pem = config.ssl_key_pem.get_secret_value() if config.ssl_key_pem else None
    key_text = _text(key_pem, config.ssl_key_location)
    if chain_text is None and key_text is None:
        return None, ()
    if chain_text is None or key_text is None:
        message = "kafka_config has a client certificate without its private key, or the other way round"
        raise DiagnosedError(Kind.UNUSABLE_CERTIFICATE, message, remedy="set both, or neither")
    try:
        chain = load_pem_x509_certificates(chain_text)
    except ValueError as exc:
        message = "the client certificate in kafka_config is not in PEM format"
        raise DiagnosedError(Kind.UNUSABLE_CERTIFICATE, message) from exc
    return _open_key(key_text, password), chain


def _from_keystore(path: Path, password: bytes | None) -> tuple[PrivateKeyTypes, Sequence[Certificate]]:
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(_read(path), password)
    except ValueError as exc:
        message = f"the PKCS#12 file {path} cannot be opened with ssl_key_password"
        raise DiagnosedError(Kind.UNUSABLE_CERTIFICATE, message) from exc
    if key is None or certificate is None:
        message = f"the PKCS#12 file {path} lacks a private key or its certificate"
        raise DiagnosedError(Kind.UNUSABLE_CERTIFICATE, message)
    return key, [certificate, *others]


def _open_key(text: bytes, password: bytes | None) -> PrivateKeyTypes:
    try:
        try:
            return load_pem_private_key(text, password)
        except TypeError:
            # A password is missing, or there is one that the key does not need.
            if password is None:
                raise
            return load_pem_private_key(text, None)
    except (ValueError, TypeError) as exc:
        message = "the private key in kafka_config cannot be opened: not PEM, or another ssl_key_password"
        raise DiagnosedError(Kind.UNUSABLE_CERTIFICATE, message) from exc


def _present(context: ssl.SSLContext, key: PrivateKeyTypes, chain: Sequence[Certificate]) -> None:
    """Give key and chain to Python's TLS, which reads files only: encrypted under a password that is used once."""
    password = secrets.token_bytes(32).hex()
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode()))
    text = b"".join([sealed, *(certificate.public_bytes(Encoding.PEM) for certificate in chain)])
    handle, name = tempfile.mkstemp(prefix="telemetry-", suffix=".pem")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
        context.load_cert_chain(name, password=password)
    except ssl.SSLError as exc:
        message = "the private key in kafka_config does not belong to the client certificate"
        raise DiagnosedError(Kind.UNUSABLE_CERTIFICATE, message) from exc
    finally:
        Path(name).unlink()


def _text(text: str | None, path: Path | None) -> bytes | None:
    if text is not None:
        return text.encode()
    return _read(path) if path is not None else None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE_BYTES)
    except OSError as exc:
        message = f"{path} cannot be read: {exc.strerror}"
        raise DiagnosedError(Kind.UNUSABLE_CERTIFICATE, message, remedy="check path, owner and mode") from exc
