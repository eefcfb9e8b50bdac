"""Builds the TLS settings from their files, and again when the files change."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from cryptography import x509

from telemetry.config.gateway.serving import GatewayConfig
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.system.file_trust import FileFault, is_readable_by_all, read_believed

logger = logging.getLogger("telemetry.gateway")

_MAX_BYTES = 1024 * 1024
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption alone (RFC 9325, section 4.2)."""


class TlsFiles:
    """TLS settings, as their files were when they were last read without a problem.

    Args:
        config: Names the files.

    Raises:
        ConfigurationError: They cannot be used.
    """

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._context, self.expires_at = self._read()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files from which they come."""
        config = self._config
        return tuple(path for path in (config.tls_certificate, config.tls_key, config.client_ca) if path is not None)

    @property
    def what(self) -> str:
        """What the files are, for a log line."""
        return "certificates"

    def context(self) -> ssl.SSLContext:
        """Return the settings for the next connection."""
        return self._context

    def reload(self) -> None:
        """Read the files again; what was read before stays if they cannot be used.

        Raises:
            ConfigurationError: They cannot be used.
        """
        self._context, self.expires_at = self._read()

    def _read(self) -> tuple[ssl.SSLContext, float]:
        certificate = _required(self._config.tls_certificate, "tls_certificate")
        key = _required(self._config.tls_key, "tls_key")
        chain = _believed(certificate, "tls_certificate")
        _believed(key, "tls_key")
        if is_readable_by_all(key):
            logger.warning("%s is a private key and may be read by every user of this machine; chmod o-r %s", key, key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        context.set_alpn_protocols(["http/1.1"])
        # A session is resumed in its own context at most (TLS 1.2, by its id): none outlives the files of its time.
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
        context.num_tickets = 0
        try:
            context.load_cert_chain(certificate, key, password=_no_passphrase)
        except (ssl.SSLError, OSError, ValueError) as exc:
            reason = "and tls_key are not a certificate in PEM and its private key without a passphrase"
            raise ConfigurationError(Problem("tls_certificate", reason, "check both files")) from exc
        self._load_authorities(context)
        return context, _end_of(chain)

    def _load_authorities(self, context: ssl.SSLContext) -> None:
        path = self._config.client_ca
        if path is None:
            if self._config.client_certificates == "required":
                remedy = 'name the authorities, or set client_certificates = "optional" where tokens are enough'
                raise ConfigurationError(Problem("client_ca", "is missing", remedy))
            return
        data = _believed(path, "client_ca")
        try:
            context.load_verify_locations(cadata=data.decode("ascii"))
        except (ssl.SSLError, ValueError) as exc:
            raise ConfigurationError(Problem("client_ca", "has no certificates in PEM", "check the file")) from exc
        if not context.cert_store_stats()["x509_ca"]:
            raise ConfigurationError(Problem("client_ca", "has no certificate of an authority", "check the file"))
        is_required = self._config.client_certificates == "required"
        context.verify_mode = ssl.CERT_REQUIRED if is_required else ssl.CERT_OPTIONAL


def _required(path: Path | None, field: str) -> Path:
    if path is None:
        raise ConfigurationError(Problem(field, "is missing", "https needs it"))
    return path


def _believed(path: Path, field: str) -> bytes:
    try:
        data = read_believed(path, max_bytes=_MAX_BYTES)
    except OSError as exc:
        raise ConfigurationError(Problem(field, f"{path} cannot be read: {exc.strerror}", "check the path")) from exc
    if isinstance(data, FileFault):
        raise ConfigurationError(Problem(field, f"is not believed: {data}", data.remedy))
    return data


def _no_passphrase() -> str:
    # Without this, OpenSSL would ask the terminal.
    message = "the key has a passphrase"
    raise ValueError(message)


def _end_of(chain: bytes) -> float:
    """Return when the server's certificate ends, in seconds since the epoch."""
    return x509.load_pem_x509_certificates(chain)[0].not_valid_after_utc.timestamp()
