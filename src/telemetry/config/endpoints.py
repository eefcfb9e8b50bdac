"""Checks the endpoints, certificates, TLS and pairs of fields that key services, stores and Kafka have in common."""

from __future__ import annotations

import ipaddress
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from telemetry.config.secret_files import require_unchangeable
from telemetry.exceptions import ConfigurationError, Problem

if TYPE_CHECKING:
    from telemetry.config.model import ConfigModel
    from telemetry.config.storage import StorageConfig


def checked_url(
    url: str, *, field: str, allow_http: bool, no_tls: str = "has no TLS", remedy: str = "write https://"
) -> str:
    """Return a URL without a slash at its end.

    Args:
        url: The URL.
        field: Dotted path of its field, for errors.
        allow_http: Whether ``http`` is accepted beside ``https``.
        no_tls: Reason of the error for ``http``.
        remedy: Remedy of the error for ``http``.

    Raises:
        ConfigurationError: Another scheme, or anything but host, port and path.
    """
    parts = _plain_parts(url)
    if parts is None or parts.scheme not in ("http", "https"):
        problem = Problem(field, "is not a plain URL", "write https://HOST or https://HOST:PORT")
        raise ConfigurationError(problem)
    if parts.scheme == "http" and not allow_http:
        raise ConfigurationError(Problem(field, no_tls, remedy))
    return url.rstrip("/")


def store_endpoint(config: StorageConfig) -> str | None:
    """Return the configured endpoint without a slash at its end, or None.

    Raises:
        ConfigurationError: It is not an ``https://`` URL (``http://`` only with ``allow_http``).
    """
    if config.endpoint_url is None:
        return None
    return checked_url(
        config.endpoint_url,
        field="endpoint_url",
        allow_http=config.allow_http,
        remedy="write https://, or set allow_http",
    )


def _plain_parts(url: str) -> SplitResult | None:
    """Return the parts of a URL that has nothing but scheme, host, port and path; None for any other."""
    try:
        parts = urlsplit(url)
        is_plain = parts.hostname and not (parts.username or parts.query or parts.fragment)
    except ValueError:  # such as a bracket that is not closed
        return None
    return parts if is_plain else None


def is_this_machine(url: str) -> bool:
    """Return whether a URL names this machine, where emulators run."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_sound_tls() -> None:
    """Check that no variable of the environment makes the TLS of this process weaker or readable.

    Raises:
        ConfigurationError: ``SSLKEYLOGFILE`` is set, or OpenSSL's configuration lets Python speak TLS 1.1.
    """
    if os.environ.get("SSLKEYLOGFILE"):
        reason = "is set: the secrets of every TLS connection would be written to that file"
        raise ConfigurationError(Problem("SSLKEYLOGFILE", reason, "unset it"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Since OpenSSL 3 a security level of 1 excludes TLS 1.1 as well (SSL_CTX_set_security_level(3)).
    is_excluded = ssl.OPENSSL_VERSION_INFO >= (3,) and context.security_level > 0
    if context.minimum_version < ssl.TLSVersion.TLSv1_2 and not is_excluded:
        reason = "lets this process speak TLS 1.1 or older"
        raise ConfigurationError(
            Problem("OPENSSL_CONF", reason, "set MinProtocol = TLSv1.2 in OpenSSL's configuration")
        )


class TlsRequests:
    """Refuses every request of boto3 without TLS, whichever variable or profile brought its endpoint about.

    It is registered as a handler of the event ``before-send``, the last before a request is sent.

    Args:
        endpoint: The endpoint that the configuration names; it was checked and may be ``http`` on this machine.
        service: Service whose requests have secrets in them. Others may go to this machine, where emulators run.
    """

    def __init__(self, endpoint: str | None, *, service: str = "") -> None:
        self._endpoint = endpoint
        self._service = service

    def __call__(self, *, request: Any, event_name: str, **_others: Any) -> None:
        """Let a request pass, or raise.

        Raises:
            ConfigurationError: It would cross the network in the clear.
        """
        url = urlsplit(request.url)
        origin = f"{url.scheme}://{url.netloc}"
        if url.scheme == "https" or origin == self._endpoint:
            return
        is_other = event_name.split(".")[1:2] != [self._service]
        if is_other and is_this_machine(origin):
            return
        reason = (
            f"names {origin}, which has no TLS; it comes from a variable (AWS_ENDPOINT_URL...) or a profile of the SDK"
        )
        raise ConfigurationError(Problem("endpoint_url", reason, "unset it there, or write https://"))


def require_together(config: ConfigModel, *fields: str, section: str = "") -> bool:
    """Return whether all of these fields are set.

    Args:
        config: The configuration.
        *fields: Names of the fields.
        section: Path of the configuration, for errors, with a dot at its end.

    Raises:
        ConfigurationError: Only some are set; it names each that is absent.
    """
    absent = [name for name in fields if getattr(config, name) is None]
    if absent and len(absent) < len(fields):
        given = ", ".join(name for name in fields if name not in absent)
        raise ConfigurationError(
            *(Problem(f"{section}{name}", f"is required with {given}", "set it") for name in absent)
        )
    return not absent


def read_certificates(path: Path, *, field: str) -> bytes:
    """Return the bytes of a PEM file.

    Raises:
        ConfigurationError: It cannot be read, or another user could have written it.
    """
    require_unchangeable(path, field=field)
    try:
        return path.expanduser().read_bytes()
    except OSError as exc:
        raise _unreadable(field, exc) from exc


def require_certificates(path: Path, *, field: str) -> None:
    """Check that a file has certificates in PEM: no SDK reports that clearly.

    Raises:
        ConfigurationError: It has none, cannot be read, or another user could have written it.
    """
    require_unchangeable(path, field=field)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path.expanduser())
    except ssl.SSLError as exc:
        raise ConfigurationError(Problem(field, "has no certificates in PEM", "name a PEM file")) from exc
    except OSError as exc:
        raise _unreadable(field, exc) from exc


def _unreadable(field: str, error: OSError) -> ConfigurationError:
    return ConfigurationError(Problem(field, f"cannot be read: {error.strerror}", "name a readable PEM file"))
