"""Finds the address of the client: that of the connection, or what a listed proxy says of it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Literal

from telemetry.exceptions import ConfigurationError

ProxyHeader = Literal["x-forwarded-for", "forwarded"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

UNIX = "unix"
"""Stands among the trusted proxies for a peer on a Unix socket, which has no address."""

_MAX_HEADER = 4_096
_MAX_HOPS = 32
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# One parameter of an element (RFC 7239, section 4), to its semicolon or the end; the value may be quoted. Some proxies do not quote ports.
_PARAMETER = re.compile(rf'[ \t]*(?:({_NAME})=([^\s";,]+|"(?:[^"\\]|\\.)*")[ \t]*)?(?:;|\Z)')


class ClientAddress:
    """Says from which address a request came.

    A proxy appends the address of its peer on the right; what is left of the first address that is no trusted proxy was
    written by the client, who may write anything. So the list is read from the right, and only if the peer itself is trusted.

    Args:
        trusted_proxies: Addresses and networks of the proxies; ``unix`` is a proxy on a Unix socket.
        header: The only header that is read. A proxy that writes one of the two passes the other on from the client.

    Raises:
        ConfigurationError: One of the proxies is no address and no network.
    """

    def __init__(self, trusted_proxies: Iterable[str], *, header: ProxyHeader = "x-forwarded-for") -> None:
        proxies = (trusted_proxies,) if isinstance(trusted_proxies, str) else tuple(trusted_proxies)
        self._networks = tuple(_network(proxy) for proxy in proxies if proxy != UNIX)
        self._trusts_unix = UNIX in proxies
        self._hops = _forwarded_hops if header == "forwarded" else _x_forwarded_hops
        self.header: ProxyHeader | None = header if proxies else None

    def trusts(self, peer: str | None) -> bool:
        """Return whether the peer of a connection is one of the trusted proxies.

        Args:
            peer: Address of the connection; None for a Unix socket.
        """
        address = parsed(peer) if peer else None
        return self._trusts(address) if address is not None else self._trusts_unix and not peer

    def of(self, peer: str | None, *, forwarded: str | None) -> str | None:
        """Return the client's address, or None if it is unknown.

        Args:
            peer: Address of the connection; None for a Unix socket.
            forwarded: Value of :attr:`header`, several lines joined by commas.
        """
        address = parsed(peer) if peer else None
        if forwarded and self.trusts(peer):
            for hop in self._hops(forwarded):
                found = parsed(hop)
                if found is None:
                    break  # a trusted proxy passed on what is no address: what is left of it is worth nothing
                address = found
                if not self._trusts(found):
                    break
        return str(address) if address is not None else None

    def _trusts(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._networks)


@lru_cache(maxsize=1_024)
def parsed(text: str) -> Address | None:
    """Return an address, without its port or zone; None if it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _network(proxy: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(proxy, strict=False)
    except ValueError:
        message = f"trusted_proxies: {proxy!r} is no address, no network, and not {UNIX!r}"
        raise ConfigurationError(message) from None


def _x_forwarded_hops(header: str) -> Iterator[str]:
    # What is cut off leaves a part of an address behind, which would be another one.
    whole = header if len(header) <= _MAX_HEADER else header[-_MAX_HEADER:].partition(",")[2]
    hops = whole.rsplit(",", _MAX_HOPS)
    return reversed(hops[1:] if len(hops) > _MAX_HOPS else hops)


def _forwarded_hops(header: str) -> Iterator[str]:
    element: str | None = None
    for piece in _x_forwarded_hops(header):
        element = piece if element is None else f"{piece},{element}"
        hop = _for_of(element)
        if hop is None and '"' in element:
            continue  # The comma may be inside a quoted value, such as a host that the client chose.
        yield hop or ""
        element = None
    yield ""


def _for_of(element: str) -> str | None:
    """Return the address of an element, empty if it names none; None if it is not well-formed."""
    position, found = 0, ""
    while position < len(element):
        parameter = _PARAMETER.match(element, position)
        if parameter is None:
            return None
        position = parameter.end()
        if parameter[1] is not None and parameter[1].lower() == "for":
            if found:
                return None
            found = re.sub(r"\\(.)", r"\1", parameter[2].strip('"'))
    return found
