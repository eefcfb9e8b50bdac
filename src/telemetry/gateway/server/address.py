"""Reads the addresses on which the gateway listens."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from telemetry.exceptions import ConfigurationError, Problem

_EXAMPLES = "write https://0.0.0.0:4318, http://127.0.0.1:4318 or unix:/run/telemetry/gateway.sock"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen.

    Attributes:
        scheme: ``https``, ``http`` or ``unix``.
        host: IP address or name; empty for a unix socket.
        port: 0 lets the system choose one; 0 for a unix socket too.
        path: Path of a unix socket; None otherwise.
    """

    scheme: Literal["https", "http", "unix"]
    host: str = ""
    port: int = 0
    path: Path | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.path is not None or self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


def read_address(text: str) -> Address:
    """Return the address that a text says.

    Raises:
        ConfigurationError: It says none. The error repeats nothing of it, since an address may hold a password.
    """
    if text.startswith("unix:"):
        path = Path(text.removeprefix("unix:"))
        if not path.is_absolute():
            raise ConfigurationError(Problem("listen", "names a unix socket without its absolute path", _EXAMPLES))
        return Address("unix", path=path)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    scheme: Literal["https", "http"] | None = (
        "https" if parts.scheme == "https" else "http" if parts.scheme == "http" else None
    )
    if scheme is None or not host or port is None or parts.path not in ("", "/") or parts.query or "@" in parts.netloc:
        raise ConfigurationError(Problem("listen", "has something that is not an address to listen on", _EXAMPLES))
    return Address(scheme, host=host, port=port)
