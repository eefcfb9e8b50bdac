"""Compares the address of an event with addresses and networks, in whatever form each is written."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_MAPPED = IPv6Network("::ffff:0:0/96")
"""IPv4 addresses in the form of IPv6 (RFC 4291 section 2.5.5.2), as sockets for both report them."""
_ABOVE_IPV4 = 1 << 32
"""Added to addresses of IPv6, so that one number is one address of either kind."""


class AddressSet:
    """Addresses and networks, such as ``10.0.0.7``, ``10.0.0.0/8`` or ``2001:db8::/32``.

    Args:
        texts: An address, or a network as address and prefix length; bits of the host are ignored.

    Raises:
        ValueError: A text is neither; the error names it.
    """

    def __init__(self, texts: frozenset[str]) -> None:
        self._numbers: set[int] = set()
        self._ranges: list[tuple[int, int]] = []
        for text in sorted(texts):
            if "/" in text:
                network = _network(text)
                self._ranges.append((_number(network.network_address), _number(network.broadcast_address)))
            else:
                self._numbers.add(_number(_address(text)))

    def __contains__(self, text: str) -> bool:
        """Whether the address that a text writes is one of these, or in one of the networks; False if it writes none."""
        return bool(self.positions((address_number(text),)))

    def positions(self, numbers: Sequence[int | None]) -> set[int]:
        """Return where among many addresses these are, or those in one of these networks.

        Args:
            numbers: The addresses, as :func:`address_number` returns them.
        """
        wanted = self._numbers
        found = {at for at, number in enumerate(numbers) if number in wanted} if wanted else set()
        for first, last in self._ranges:
            found.update([at for at, number in enumerate(numbers) if number is not None and first <= number <= last])
        return found


@lru_cache(maxsize=1_024)
def address_number(text: str) -> int | None:
    """Return a number that is the same for all texts that write one address; None for a text that writes none."""
    try:
        return _number(_address(text))
    except ValueError:
        return None


def _number(address: IPv4Address | IPv6Address) -> int:
    return int(address) + (_ABOVE_IPV4 if isinstance(address, IPv6Address) else 0)


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
