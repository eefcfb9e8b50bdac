"""Checks the endpoints, certificates and pairs of fields that key services and stores have in common."""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from telemetry.config.secret_files import require_unchangeable
from telemetry.exceptions import ConfigurationError, Problem

if TYPE_CHECKING:
    from telemetry.config.model import ConfigModel


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
