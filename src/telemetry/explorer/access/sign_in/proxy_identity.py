"""Reads who a person is from the headers of a proxy that has signed them in."""

from __future__ import annotations

from collections.abc import Sequence

from telemetry.config.explorer.proxy import ProxyIdentityConfig
from telemetry.explorer.access.person import Person
from telemetry.explorer.access.refused import FORBIDDEN, Refused
from telemetry.explorer.access.sign_in.granting import MAX_SUBJECT, Grants
from telemetry.integrations.web.client_address import ClientAddress

Headers = Sequence[tuple[bytes, bytes]]
"""Headers of a request, as ASGI has them: names in lower case."""

_MAX_GROUPS_HEADER = 64 * 1024
_PAST_THE_PROXY = "The explorer is reached through its proxy alone. Use the address that you were given."
_UNCLEAR = "The proxy did not say in a form that can be used who you are. Ask the person who administers it."


class ProxyIdentity:
    """Believes what listed peers say about a person, and nobody else.

    Args:
        config: The peers, and the names of the headers.

    Raises:
        ConfigurationError: A peer is no address.
    """

    def __init__(self, config: ProxyIdentityConfig) -> None:
        self._config = config
        self._peers = ClientAddress(config.peers)
        self._grants = Grants(config.grants)

    def person_of(self, peer: str | None, headers: Headers) -> Person:
        """Return who a request is from.

        Args:
            peer: Address of the connection's other end; None on a unix socket.
            headers: Headers of the request.

        Raises:
            Refused: The request comes past the proxy, or the proxy names nobody who may see anything.
        """
        if not self._peers.trusts(peer):
            raise Refused(FORBIDDEN, "past_the_proxy", _PAST_THE_PROXY)
        subject = _only(headers, self._config.user_header, most=MAX_SUBJECT * 4)
        if not subject:
            raise Refused(401, "no_identity", _UNCLEAR)
        name = _only(headers, self._config.name_header, most=MAX_SUBJECT) if self._config.name_header else ""
        return self._grants.person(subject, name=name, groups=self._groups(headers), how="proxy")

    def _groups(self, headers: Headers) -> frozenset[str]:
        if not self._config.groups_header:
            return frozenset()
        text = _only(headers, self._config.groups_header, most=_MAX_GROUPS_HEADER)
        return frozenset(filter(None, (group.strip() for group in text.split(self._config.groups_separator))))


def _only(headers: Headers, name: str, *, most: int) -> str:
    """Return the value of a header; empty if it is absent.

    Raises:
        Refused: It is there twice, since one of them may be the client's; or it is too long, or not UTF-8.
    """
    # Some servers make `_` and `-` one: a proxy that removes only the header with `-` from its clients lets the other pass.
    found = [value for key, value in headers if key.replace(b"_", b"-") == name.encode()]
    if not found:
        return ""
    try:
        text = found[0].decode("utf-8").strip() if len(found) == 1 and len(found[0]) <= most else None
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise Refused(400, "unclear_identity", _UNCLEAR)
    return text
