"""Knows the addresses under which browsers reach the explorer, and refuses requests for any other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from telemetry.config.endpoints import is_this_machine

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
"""A name or an address, and a port (RFC 9110, section 7.2): with anything more, parts of a path would come out of ``Host``."""


class Origins:
    """The origins of the explorer (RFC 6454).

    A page of another site whose name is made to resolve to this machine still sends its own name in ``Host``: it is refused.

    Args:
        urls: Such as ``https://audit.example.com`` or ``http://127.0.0.1:43121``; the first one is used for links.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._origins: frozenset[str] = frozenset(filter(None, map(_normal, urls)))
        self.first = urls[0].rstrip("/")

    @property
    def is_local(self) -> bool:
        """Whether all of them are on this machine, and there is one."""
        return bool(self._origins) and all(map(is_this_machine, self._origins))

    @property
    def first_port(self) -> int:
        """Port of the first one."""
        parts = urlsplit(self.first)
        return parts.port or _PORTS[parts.scheme]

    @property
    def is_https(self) -> bool:
        """Whether browsers reach all of them over TLS."""
        return all(origin.startswith("https://") for origin in self._origins)

    @property
    def needs_tls(self) -> bool:
        """Whether browsers may be told to use nothing but TLS: on this machine that would concern its other servers too."""
        return self.is_https and not self.is_local

    def has_host(self, host: str) -> bool:
        """Return whether a value of ``Host`` names the explorer; the port may be left out where it is the usual one.

        Whether the request came over TLS is not compared: a proxy may have ended it.
        """
        if _HOST.fullmatch(host) is None:
            return False
        return any(_normal(f"{scheme}://{host}") in self._origins for scheme in _PORTS)

    def has_origin(self, origin: str) -> bool:
        """Return whether a value of ``Origin`` is the explorer's own."""
        return _normal(origin) in self._origins


def local_urls(url: str) -> list[str]:
    """Return the address of an explorer on the loopback interface, and the others that lead to the same port."""
    parts = urlsplit(url)
    port = parts.port or _PORTS[parts.scheme]
    return [url, *(f"{parts.scheme}://{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]"))]


def _normal(url: str) -> str | None:
    """Return scheme, host and port in one spelling; None if it is no origin."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    is_plain = not (parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)
    if parts.scheme not in _PORTS or not host or not is_plain or not url.isascii() or any(c.isspace() for c in url):
        return None
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}:{port or _PORTS[parts.scheme]}"
