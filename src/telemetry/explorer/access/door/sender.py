"""Finds out from which address a request comes."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.types import Scope

from telemetry.integrations.web.client_address import ClientAddress


class Senders:
    """Knows the proxies whose word about an address is believed.

    Args:
        trusted_proxies: Addresses and networks; ``unix`` is one on a unix socket.

    Raises:
        ConfigurationError: One is no address.
    """

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._addresses = ClientAddress(trusted_proxies)

    def address_of(self, scope: Scope) -> str | None:
        """Return the address of the visitor; None if it is not known, as on a unix socket."""
        name = self._addresses.header
        values = [value.decode("latin-1") for key, value in scope["headers"] if name and key == name.encode()]
        return self._addresses.of(peer_of(scope), forwarded=",".join(values) or None)


def peer_of(scope: Scope) -> str | None:
    """Return the address at the other end of the connection; None on a unix socket."""
    client = scope.get("client")
    return client[0] if client else None
