"""Signs a person in at an OpenID provider, from the button to the person's right."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from telemetry.config.explorer.oidc import OidcConfig
from telemetry.explorer.access.person import Person
from telemetry.explorer.access.refused import FORBIDDEN, Refused
from telemetry.explorer.access.sign_in.granting import Grants
from telemetry.explorer.access.sign_in.oidc.begun import BegunSignIn, BegunSignIns
from telemetry.explorer.access.sign_in.oidc.provider_error import Fault, ProviderError

logger = logging.getLogger("telemetry.explorer")

CALLBACK = "/oidc/callback"
"""Path to which the provider sends the browser back; it is registered there."""

_MAX_CODE = 8_192
_MAX_GROUPS = 5_000
_STALE = "This sign-in is too old, was used already, or began in another browser. Sign in again."
_NOT_SIGNED_IN = "The provider did not sign you in. Sign in again, or ask the person who administers the explorer."
_AWAY = "The provider cannot be asked now. Try again in a minute; the log of the explorer says what is wrong."
_FAILED = (
    "The provider's answer cannot be believed, so you are not signed in. The log of the explorer says what is wrong."
)


class OidcSignIn:
    """The way in through a provider.

    Args:
        config: The provider.
        origin: Address of the explorer, of which the redirect address is made.

    Attributes:
        name: What the provider is called on the screen.

    Raises:
        ConfigurationError: A file of the configuration cannot be used.
        MissingExtraError: The packages for it are not installed.
    """

    def __init__(self, config: OidcConfig, *, origin: str) -> None:
        self.name = config.name
        self._config = config
        # One person at a machine needs none of its libraries.
        from telemetry.explorer.access.sign_in.oidc.provider import Provider  # noqa: PLC0415

        self._provider = Provider(config, redirect_uri=origin + CALLBACK)
        self._begun = BegunSignIns()
        self._grants = Grants(config.grants)

    async def begin(self, follow: str) -> tuple[str, str]:
        """Begin a sign-in.

        Args:
            follow: Path of the explorer to go to afterwards.

        Returns:
            Where the browser goes, and what it keeps meanwhile.

        Raises:
            Refused: The provider cannot be asked.
        """
        try:
            addresses = await self._provider.addresses()
        except ProviderError as exc:
            raise _refusal(exc) from exc
        state, browser, begun = self._begun.begin(follow)
        url = await self._provider.requests.authorization_url(
            addresses.authorization, state=state, nonce=begun.nonce, verifier=begun.verifier
        )
        return url, browser

    async def finish(self, answer: Mapping[str, str], *, browser: str) -> tuple[Person, str]:
        """Finish a sign-in with the answer that the provider has sent through the browser.

        Args:
            answer: Parameters of the answer, each of which was there once.
            browser: What the browser has kept.

        Returns:
            Who has signed in, and the path to go to.

        Raises:
            Refused: The answer belongs to no sign-in of this browser, the provider has signed nobody in, or no right is
                granted.
        """
        # 1. The answer belongs to a sign-in that began here, in this browser, and is used up by this.
        begun = self._begun.take(answer.get("state", ""), browser=browser)
        if begun is None:
            raise Refused(400, "stale_sign_in", _STALE)
        try:
            return self._person(await self._claims(answer, begun)), begun.follow
        except ProviderError as exc:
            raise _refusal(exc) from exc

    async def _claims(self, answer: Mapping[str, str], begun: BegunSignIn) -> Mapping[str, Any]:
        addresses, issuer = await self._provider.addresses(), answer.get("iss")
        # 2. The answer comes from this provider (RFC 9207), and has a code.
        if issuer != self._config.issuer and (issuer is not None or addresses.names_itself):
            raise ProviderError(Fault.OTHER_ISSUER)
        code = answer.get("code", "")
        if "error" in answer or not 0 < len(code) <= _MAX_CODE:
            raise Refused(FORBIDDEN, "not_signed_in_there", _NOT_SIGNED_IN)
        # 3. The code is exchanged, with the proof that the request was ours.
        tokens = await self._provider.requests.tokens(
            addresses.token, code=code, verifier=begun.verifier, auth_method=addresses.auth_method
        )
        # 4. The token is the provider's, for this client and this sign-in.
        token = tokens.get("id_token")
        if not isinstance(token, str):
            raise ProviderError(Fault.NO_ID_TOKEN)
        return await self._provider.claims(token, nonce=begun.nonce)

    async def end_session_url(self) -> str:
        """Return where a person ends the session at the provider too; empty if nowhere, or if it cannot be asked."""
        try:
            return (await self._provider.addresses()).end_session
        except ProviderError as exc:
            logger.warning("%s, so its page for signing out is not linked", exc)
            return ""

    def _person(self, claims: Mapping[str, Any]) -> Person:
        subject, name = claims.get(self._config.subject_claim), claims.get(self._config.name_claim)
        return self._grants.person(
            subject if isinstance(subject, str) else "",
            name=name if isinstance(name, str) else "",
            groups=_groups(claims.get(self._config.groups_claim)),
            how="oidc",
        )


def _groups(claim: Any) -> frozenset[str]:
    listed = [claim] if isinstance(claim, str) else claim if isinstance(claim, list) else []
    return frozenset(group for group in listed[:_MAX_GROUPS] if isinstance(group, str))


def _refusal(error: ProviderError) -> Refused:
    logger.warning("a person could not sign in: %s", error)
    if error.fault in (Fault.UNREACHABLE, Fault.BAD_ANSWER):
        return Refused(503, error.fault.word, _AWAY)
    return Refused(FORBIDDEN, error.fault.word, _FAILED)
