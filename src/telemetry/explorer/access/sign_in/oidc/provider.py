"""Knows a provider: its addresses and its keys, asked for when they are needed and remembered for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from telemetry.config.explorer.oidc import OidcConfig
from telemetry.explorer.access.sign_in.oidc.id_token import IdTokens, PublicKey, key_name, public_keys
from telemetry.explorer.access.sign_in.oidc.provider_error import Fault, ProviderError
from telemetry.explorer.access.sign_in.oidc.requests import ProviderRequests
from telemetry.system.clock import Clock

_METADATA_SECONDS = 3_600.0
_KEYS_SECONDS = 3_600.0
_KEYS_PAUSE_SECONDS = 10.0
"""A token with an unknown key makes the keys be asked for again, and not more often than this."""
_PAUSE_SECONDS = 3.0
"""After a failure the provider is left alone for so long."""
_WELL_KNOWN = "/.well-known/openid-configuration"
_POST = "client_secret_post"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a provider does what (OpenID Connect Discovery 1.0, section 3).

    Attributes:
        authorization: Where persons sign in.
        token: Where codes are exchanged.
        keys: Where its keys are.
        end_session: Where a person signs out; empty if nowhere.
        auth_method: How a client proves itself; None for the usual way.
        names_itself: Whether each answer says which provider gave it (RFC 9207).
    """

    authorization: str
    token: str
    keys: str
    end_session: str
    auth_method: str | None
    names_itself: bool


class Provider:
    """One provider. It is used in one event loop.

    Args:
        config: The provider.
        redirect_uri: Where it sends the browser back to.
        clock: Monotonic seconds.

    Attributes:
        requests: Sends requests to it.
    """

    def __init__(self, config: OidcConfig, *, redirect_uri: str, clock: Clock = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._tokens = IdTokens(config)
        self._lock = asyncio.Lock()
        self._addresses: tuple[float, Addresses] | None = None
        self._failed: tuple[float, Fault] | None = None
        self._keys: tuple[float, Sequence[PublicKey]] | None = None
        self.requests = ProviderRequests(config, redirect_uri=redirect_uri)

    async def addresses(self) -> Addresses:
        """Return where the provider does what.

        Raises:
            ProviderError: It does not answer, is another one, or names addresses without TLS.
        """
        async with self._lock:
            if self._addresses is None or self._clock() - self._addresses[0] >= _METADATA_SECONDS:
                self._addresses = self._clock(), await self._asked()
            return self._addresses[1]

    async def _asked(self) -> Addresses:
        # Those who wait while it does not answer are not made to wait one after the other.
        if self._failed is not None and self._clock() - self._failed[0] < _PAUSE_SECONDS:
            raise ProviderError(self._failed[1])
        try:
            return self._read(await self.requests.document(self._config.issuer.rstrip("/") + _WELL_KNOWN))
        except ProviderError as exc:
            self._failed = self._clock(), exc.fault
            raise

    async def claims(self, token: str, *, nonce: str) -> dict[str, Any]:
        """Return what an ID token claims; keys that are not known yet are asked for.

        Args:
            token: The token.
            nonce: What the sign-in was begun with.

        Raises:
            ProviderError: The token is not what it must be.
        """
        keys = await self._public_keys(key_name(token))
        return self._tokens.claims(token, keys, nonce=nonce)

    async def _public_keys(self, wanted: str | None) -> Sequence[PublicKey]:
        addresses = await self.addresses()
        async with self._lock:
            if self._keys is None or not self._are_good(*self._keys, wanted):
                self._keys = self._clock(), public_keys(await self.requests.document(addresses.keys))
            return self._keys[1]

    def _are_good(self, read_at: float, keys: Sequence[PublicKey], wanted: str | None) -> bool:
        age = self._clock() - read_at
        if age >= _KEYS_SECONDS:
            return False
        return age < _KEYS_PAUSE_SECONDS or wanted is None or any(key.kid == wanted for key in keys)

    def _read(self, metadata: dict[str, Any]) -> Addresses:
        if metadata.get("issuer") != self._config.issuer:
            raise ProviderError(Fault.OTHER_ISSUER)
        methods = metadata.get("token_endpoint_auth_methods_supported")
        is_by_post = isinstance(methods, list) and _POST in methods and "client_secret_basic" not in methods
        end_session = metadata.get("end_session_endpoint")
        return Addresses(
            authorization=self._address(metadata, "authorization_endpoint"),
            token=self._address(metadata, "token_endpoint"),
            keys=self._address(metadata, "jwks_uri"),
            end_session=self._address(metadata, "end_session_endpoint") if end_session else "",
            auth_method=_POST if is_by_post else None,
            names_itself=metadata.get("authorization_response_iss_parameter_supported") is True,
        )

    def _address(self, metadata: dict[str, Any], name: str) -> str:
        url = metadata.get(name)
        if not isinstance(url, str) or not url.isascii() or not url.isprintable():
            raise ProviderError(Fault.BAD_METADATA, name)
        self.requests.require_safe(url)
        return url
