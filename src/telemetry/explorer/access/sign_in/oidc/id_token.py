"""Checks an ID token (OpenID Connect Core 1.0, section 3.1.3.7), and returns what it claims."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from telemetry.config.explorer.oidc import OidcConfig
from telemetry.exceptions import MissingExtraError
from telemetry.explorer.access.sign_in.oidc.provider_error import Fault, ProviderError
from telemetry.system.clock import Clock

_FEATURE = "signing in at an OpenID provider"
try:
    from joserfc import jws, jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, OKPKey, RSAKey
except ImportError as exc:
    raise MissingExtraError(_FEATURE, "explore") from exc

PublicKey = RSAKey | ECKey | OKPKey

_KINDS: Mapping[str, type[PublicKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_MAX_TOKEN = 64 * 1024
_MAX_KEYS = 64
_MIN_RSA_BITS = 2_048
_LEEWAY_SECONDS = 60.0
_LATEST = 1e12
_LONGEST_SECONDS = 24 * 3_600.0
"""Until when a token may be good at most: it is used at once, so a later end says that something is wrong."""


def public_keys(document: Mapping[str, Any]) -> list[PublicKey]:
    """Return the keys of a provider's key set that can check signatures (RFC 7517).

    Shared secrets are left out: an ID token that is "signed" with a public text would otherwise pass.

    Raises:
        ProviderError: There are none.
    """
    listed = document.get("keys")
    found = [_public_key(each) for each in listed[:_MAX_KEYS]] if isinstance(listed, list) else []
    keys = [key for key in found if key is not None]
    if not keys:
        raise ProviderError(Fault.BAD_KEYS)
    return keys


def key_name(token: str) -> str | None:
    """Return the name of the key that a token says it is signed with; None if it names none.

    Raises:
        ProviderError: It is no signed token.
    """
    try:
        header = jws.extract_compact(_bounded(token).encode()).headers()
    except (JoseError, ValueError, RecursionError) as exc:
        raise ProviderError(Fault.BAD_SIGNATURE) from exc
    name = header.get("kid")
    return name if isinstance(name, str) else None


class IdTokens:
    """Checks the ID tokens of one provider.

    Args:
        config: Provider, client and accepted signatures.
        clock: Seconds since the epoch.
    """

    def __init__(self, config: OidcConfig, *, clock: Clock = time.time) -> None:
        self._config = config
        self._clock = clock

    def claims(self, token: str, keys: Sequence[PublicKey], *, nonce: str) -> dict[str, Any]:
        """Return what a token claims.

        Args:
            token: The token.
            keys: Keys of the provider.
            nonce: What was sent with the request that began the sign-in.

        Raises:
            ProviderError: It is not signed by the provider, or not meant for this client and this sign-in.
        """
        # 1. The signature, by a key that the token names, or by any if it names none.
        named = key_name(token)
        candidates = [key for key in keys if named is None or key.kid == named]
        claims = self._signed(token, candidates)
        # 2. Who says it, to whom.
        if claims.get("iss") != self._config.issuer:
            raise ProviderError(Fault.OTHER_ISSUER)
        audience, client = claims.get("aud"), self._config.client_id
        audiences = audience if isinstance(audience, list) else [audience]
        if client not in audiences or claims.get("azp", client) != client:
            raise ProviderError(Fault.OTHER_AUDIENCE)
        if len(audiences) > 1 and claims.get("azp") != client:
            raise ProviderError(Fault.OTHER_AUDIENCE)
        # 3. When.
        self._require_now(claims)
        # 4. For which sign-in.
        if claims.get("nonce") != nonce:
            raise ProviderError(Fault.WRONG_NONCE)
        return claims

    def _signed(self, token: str, keys: Sequence[PublicKey]) -> dict[str, Any]:
        for key in keys:
            try:
                found = jwt.decode(_bounded(token), key, algorithms=list(self._config.algorithms))
            except (JoseError, ValueError, TypeError, RecursionError):
                continue  # another key may have signed it
            if str(found.header.get("typ", "JWT")).lower() == "jwt":
                return dict(found.claims)
        raise ProviderError(Fault.BAD_SIGNATURE)

    def _require_now(self, claims: Mapping[str, Any]) -> None:
        now = self._clock()
        ends, issued = _time(claims, "exp"), _time(claims, "iat")
        begins = _time(claims, "nbf") if "nbf" in claims else issued
        is_late = ends <= now - _LEEWAY_SECONDS or ends > now + _LONGEST_SECONDS
        is_early = max(issued, begins) > now + _LEEWAY_SECONDS
        if is_late or is_early:
            raise ProviderError(Fault.EXPIRED)


def _public_key(document: Any) -> PublicKey | None:
    if not isinstance(document, dict) or document.get("use", "sig") != "sig":
        return None
    kind = _KINDS.get(str(document.get("kty")))
    if kind is None:
        return None
    try:
        key = kind.import_key(document)
        # A weak key is refused here, whatever it signs.
        return None if isinstance(key, RSAKey) and key.public_key.key_size < _MIN_RSA_BITS else key
    except (JoseError, ValueError, TypeError, RecursionError):
        return None


def _bounded(token: str) -> str:
    if len(token) > _MAX_TOKEN or not token.isascii():
        raise ProviderError(Fault.BAD_SIGNATURE)
    return token


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _LATEST:
        raise ProviderError(Fault.EXPIRED)
    return float(value)
