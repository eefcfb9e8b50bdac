"""Decides who a caller is, from its connection and the headers of its request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from telemetry.config.gateway.serving import GatewayConfig
from telemetry.gateway.caller import Caller
from telemetry.gateway.identities.client_cert import forwarded_names
from telemetry.gateway.identities.registry import Identities
from telemetry.gateway.identities.source import IdentitiesFile
from telemetry.gateway.identities.token import bearer_token, digest_of, token_id
from telemetry.gateway.peer import Peer
from telemetry.integrations.web.client_address import ClientAddress

Headers = Sequence[tuple[bytes, bytes]]
"""Headers of a request, as ASGI has them: names in lower case."""

_SHOWN = 200
"""Characters of a name in an event; a certificate may have any number of them."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not taken.

    Attributes:
        status: 400, 401 or 403.
        reason: A word for events and metrics.
        detail: What to do about it, for the caller.
        who: What the caller showed of itself: a certificate's name, or the id of a token; never a secret.
    """

    status: int
    reason: str
    detail: str
    who: str = ""


_NOBODY = Refusal(401, "no_credentials", "Present a client certificate or a token that the gateway knows.")
_BAD_TOKEN = Refusal(401, "unknown_token", "The token is not valid. Ask the operator of the gateway for a new one.")
_EXPIRED = Refusal(401, "expired_token", _BAD_TOKEN.detail)
_MALFORMED = Refusal(400, "bad_credentials", "Send one header `Authorization: Bearer TOKEN`, and nothing else in it.")
_UNKNOWN_CERTIFICATE = Refusal(
    403, "unknown_certificate", "The certificate is valid, and its names belong to no identity, or to more than one."
)
_UNKNOWN_USER = Refusal(403, "unknown_user", "The user of this process belongs to no identity of the gateway.")
_TWO = Refusal(403, "two_identities", "Certificate and token belong to different services. Send one of them.")
_BAD_FORWARDED = Refusal(400, "bad_client_cert", "The header Client-Cert is not what RFC 9440 describes.")

REASONS = tuple(
    refusal.reason
    for refusal in (
        _NOBODY,
        _BAD_TOKEN,
        _EXPIRED,
        _MALFORMED,
        _UNKNOWN_CERTIFICATE,
        _UNKNOWN_USER,
        _TWO,
        _BAD_FORWARDED,
    )
)
"""Every reason that there is."""


class Authentication:
    """Recognizes callers.

    Args:
        config: Proxies, and whether they pass certificates on.
        identities: Those who may call.

    Raises:
        ConfigurationError: A proxy is no address.
    """

    def __init__(self, config: GatewayConfig, identities: IdentitiesFile) -> None:
        self._identities = identities
        self._addresses = ClientAddress(config.trusted_proxies, header=config.proxy_header)
        self._forwards_certificates = config.forwarded_certificates

    def address_of(self, peer: Peer, headers: Headers) -> str | None:
        """Return the client's address: that of the connection, or what a listed proxy says; None on a unix socket."""
        name = self._addresses.header
        forwarded = None if name is None else ",".join(_values(headers, name.encode())) or None
        return self._addresses.of(peer.address or None, forwarded=forwarded)

    def caller_of(self, peer: Peer, headers: Headers) -> Caller | Refusal:
        """Return who calls, or why it is refused.

        A certificate and a token may both be there if they belong to the same service; a certificate that no identity
        names is no hindrance to a token. A token that is there and is not valid is never ignored.

        Args:
            peer: The other end of the connection.
            headers: Headers of the request.
        """
        identities = self._identities.current
        by_token = _by_token(identities, headers)
        if isinstance(by_token, Refusal):
            return by_token
        by_connection = self._by_connection(identities, peer, headers)
        if by_token is None:
            return by_connection
        if isinstance(by_connection, Caller) and by_connection.service != by_token.service:
            return replace(_TWO, who=by_connection.identity)
        return by_connection if by_connection is _BAD_FORWARDED else by_token

    def _by_connection(self, identities: Identities, peer: Peer, headers: Headers) -> Caller | Refusal:
        if self._addresses.trusts(peer.address or None):
            # Whatever the proxy itself is, its own certificate and user speak for none of its clients.
            return self._forwarded(identities, headers) if self._forwards_certificates else _NOBODY
        if peer.uid is not None:
            return identities.of_uid(peer.uid) or replace(_UNKNOWN_USER, who=f"uid:{peer.uid}")
        return _by_names(identities, peer.names) if peer.names else _NOBODY

    @staticmethod
    def _forwarded(identities: Identities, headers: Headers) -> Caller | Refusal:
        values = list(_values(headers, b"client-cert"))
        if not values:
            return _NOBODY
        names = forwarded_names(values[0]) if len(values) == 1 else None
        return _BAD_FORWARDED if names is None else _by_names(identities, names)


def _by_names(identities: Identities, names: Sequence[str]) -> Caller | Refusal:
    known = identities.of_certificate(names)
    return known or replace(_UNKNOWN_CERTIFICATE, who=", ".join(names)[:_SHOWN])


def _by_token(identities: Identities, headers: Headers) -> Caller | Refusal | None:
    values = list(_values(headers, b"authorization"))
    if not values:
        return None
    token = bearer_token(values[0]) if len(values) == 1 else None
    if token is None:
        return _MALFORMED
    caller, is_expired = identities.of_token(token)
    return caller or replace(_EXPIRED if is_expired else _BAD_TOKEN, who=token_id(digest_of(token)))


def _values(headers: Headers, name: bytes) -> Iterable[str]:
    return (value.decode("latin-1") for key, value in headers if key == name)
