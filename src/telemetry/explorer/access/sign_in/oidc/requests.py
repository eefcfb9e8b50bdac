"""Asks the provider, within bounds: size, time, no redirect, no compressed answer."""

from __future__ import annotations

import asyncio
import json
import ssl
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from telemetry.config.endpoints import is_this_machine, read_certificates, require_sound_tls
from telemetry.config.explorer.oidc import OidcConfig
from telemetry.exceptions import ConfigurationError, MissingExtraError, Problem
from telemetry.explorer.access.sign_in.oidc.provider_error import Fault, ProviderError

_FEATURE = "signing in at an OpenID provider"
try:
    import httpx
    from authlib.deprecate import AuthlibDeprecationWarning

    with warnings.catch_warnings():
        # It tells the authors of programs about a successor of httpx; those who run this one can do nothing about it.
        warnings.simplefilter("ignore", AuthlibDeprecationWarning)
        from authlib.integrations.base_client import OAuthError
        from authlib.integrations.httpx_client import AsyncOAuth2Client
except ImportError as exc:
    raise MissingExtraError(_FEATURE, "explore") from exc

_MAX_BYTES = 1 << 20
_OK = 200
# An ImportError: the environment names a proxy of a kind for which a package is missing.
_FAILURES = (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError, ImportError)


class ProviderRequests:
    """Sends requests to one provider.

    Args:
        config: Provider, client and limits.
        redirect_uri: Where the provider sends the browser back to.

    Raises:
        ConfigurationError: ``ca_path`` cannot be used, or the environment makes TLS weaker.
    """

    def __init__(self, config: OidcConfig, *, redirect_uri: str) -> None:
        self._config = config
        self._redirect_uri = redirect_uri
        self._tls = _tls(config.ca_path)
        self._allows_http = is_this_machine(config.issuer)

    async def authorization_url(self, url: str, *, state: str, nonce: str, verifier: str) -> str:
        """Return where the browser goes to sign in (RFC 6749, section 4.1.1; RFC 7636, section 4.3).

        Args:
            url: Address of the provider for it.
            state: What the answer must repeat.
            nonce: What the ID token must repeat.
            verifier: What is shown when the code is exchanged; only its digest is in the address.
        """
        async with self._client() as client:
            found, _ = client.create_authorization_url(url, state=state, code_verifier=verifier, nonce=nonce)
        return str(found)

    async def document(self, url: str) -> dict[str, Any]:
        """Return a JSON object.

        Raises:
            ProviderError: The provider does not answer with one.
        """
        self.require_safe(url)
        try:
            async with asyncio.timeout(self._config.timeout_seconds), httpx.AsyncClient(**self._options()) as client:
                response = await client.get(url)
                found = json.loads(response.content) if response.status_code == _OK else None
        except _FAILURES as exc:
            raise _unreachable(exc) from exc
        except (ValueError, RecursionError) as exc:
            raise ProviderError(Fault.BAD_ANSWER) from exc
        if not isinstance(found, dict):
            raise ProviderError(Fault.BAD_ANSWER, f"status {response.status_code}")
        return found

    async def tokens(self, url: str, *, code: str, verifier: str, auth_method: str | None) -> dict[str, Any]:
        """Exchange a code for tokens (RFC 6749, section 4.1.3; RFC 7636, section 4.5).

        Args:
            url: Address of the provider for it.
            code: The code.
            verifier: That of the request for the code.
            auth_method: How the client proves itself; None for the usual way.

        Raises:
            ProviderError: The provider refuses the code, or does not answer.
        """
        self.require_safe(url)
        try:
            async with asyncio.timeout(self._config.timeout_seconds), self._client(auth_method) as client:
                found = await client.fetch_token(
                    url, grant_type="authorization_code", code=code, code_verifier=verifier
                )
        except OAuthError as exc:
            # Its description may quote the code.
            raise ProviderError(Fault.CODE_REFUSED) from exc
        except _FAILURES as exc:
            raise _unreachable(exc) from exc
        except (ValueError, TypeError, AttributeError, RecursionError) as exc:
            raise ProviderError(Fault.BAD_ANSWER) from exc
        return dict(found)

    def require_safe(self, url: str) -> None:
        """Check that a URL of the provider can be asked without showing anything to the network.

        Raises:
            ProviderError: It has no TLS, and provider and URL are not both on this machine.
        """
        if url.startswith("https://") or (self._allows_http and url.startswith("http://") and is_this_machine(url)):
            return
        raise ProviderError(Fault.BAD_METADATA)

    def _client(self, auth_method: str | None = None) -> Any:
        secret = self._config.client_secret
        return AsyncOAuth2Client(
            self._config.client_id,
            secret.get_secret_value() if secret is not None else None,
            token_endpoint_auth_method=auth_method if secret is not None else "none",
            scope=" ".join(self._config.scopes),
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            **self._options(),
        )

    def _options(self) -> dict[str, Any]:
        return {
            "verify": self._tls,
            "timeout": self._config.timeout_seconds,
            "follow_redirects": False,
            "headers": {"accept": "application/json", "accept-encoding": "identity"},
            "event_hooks": {"response": [_bound]},
        }


class _Bounded(httpx.AsyncByteStream):
    """Passes a body on up to a size."""

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > _MAX_BYTES:
                message = f"an answer has more than {_MAX_BYTES} bytes"
                raise httpx.DecodingError(message)
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _bound(response: httpx.Response) -> None:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        message = "an answer is compressed, which was not asked for"
        raise httpx.DecodingError(message)
    if isinstance(response.stream, httpx.AsyncByteStream):
        response.stream = _Bounded(response.stream)


def _tls(path: Path | None) -> ssl.SSLContext:
    require_sound_tls()
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if path is not None:
        try:
            context.load_verify_locations(cadata=read_certificates(path, field="ca_path").decode("ascii"))
        except (ssl.SSLError, ValueError) as exc:
            raise ConfigurationError(Problem("ca_path", "has no certificates in PEM", "name a PEM file")) from exc
    return context


def _unreachable(error: Exception) -> ProviderError:
    # The type alone: texts of the client quote addresses with what they were asked.
    return ProviderError(Fault.UNREACHABLE, type(error).__name__)
