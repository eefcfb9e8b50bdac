"""Says that a provider cannot be used now, or answers what it must not."""

from __future__ import annotations

from enum import Enum


class Fault(Enum):
    """What is wrong; the text is for the log, and has nothing of the person or the answer."""

    UNREACHABLE = "the OpenID provider cannot be asked"
    BAD_ANSWER = "the OpenID provider answers with what is no JSON object"
    BAD_METADATA = "the OpenID provider names no address, or one without TLS"
    OTHER_ISSUER = "the OpenID provider calls itself by another name than `issuer` does"
    CODE_REFUSED = "the OpenID provider refuses the code of a sign-in"
    NO_ID_TOKEN = "the OpenID provider's answer has no ID token"  # noqa: S105 - it is none
    BAD_KEYS = "the OpenID provider publishes no key that can be used"
    BAD_SIGNATURE = "an ID token is not signed by a key of the OpenID provider, or in a way that is not accepted"
    OTHER_AUDIENCE = "an ID token is meant for another client"
    WRONG_NONCE = "an ID token belongs to another sign-in"
    EXPIRED = "an ID token has expired, or is not valid yet; compare the clocks"

    @property
    def word(self) -> str:
        """The fault as a word, for what is recorded."""
        return self.name.lower()


class ProviderError(Exception):
    """The provider did not answer, or not as the specifications want.

    Attributes:
        fault: What is wrong.
    """

    def __init__(self, fault: Fault, detail: str = "") -> None:
        super().__init__(f"{fault.value} ({detail})" if detail else fault.value)
        self.fault = fault
