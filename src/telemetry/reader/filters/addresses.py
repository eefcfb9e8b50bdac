"""Compares the address of an event with addresses and networks, in whatever form each is written."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_MAPPED = IPv6Network("::ffff:0:0/96")
"""IPv4 addresses in the form of IPv6 (RFC 4291 section 2.5.5.2), as sockets for both report them."""


class AddressSet:
    """Addresses and networks, such as ``10.0.0.7``, ``10.0.0.0/8`` or ``2001:db8::/32``.

    Args:
        texts: An address, or a network as address and prefix length; bits of the host are ignored.

    Raises:
        ValueError: A text is neither; the error names it.
    """

    def __init__(self, texts: frozenset[str]) -> None:
        self._addresses: set[IPv4Address | IPv6Address] = set()
        self._networks: list[IPv4Network | IPv6Network] = []
        for text in sorted(texts):
            if "/" in text:
                self._networks.append(_network(text))
            else:
                self._addresses.add(_address(text))

    def __contains__(self, text: str) -> bool:
        """Whether the address that a text writes is one of these, or in one of the networks; False if it writes none."""
        address = _parsed(text)
        return address is not None and (
            address in self._addresses or any(address in network for network in self._networks)
        )


@lru_cache(maxsize=1_024)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return _address(text)
    except ValueError:
        return None


def _address(text: str) -> IPv4Address | IPv6Address:
    # The zone of a link-local address names an interface of the machine that wrote it.
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped if mapped is not None else address


def _network(text: str) -> IPv4Network | IPv6Network:
    network = ip_network(text, strict=False)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        address = IPv4Address(int(network.network_address) & 0xFFFFFFFF)
        return IPv4Network((address, network.prefixlen - _MAPPED.prefixlen))
    return network
