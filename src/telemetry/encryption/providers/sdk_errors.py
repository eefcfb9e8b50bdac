"""Translates the errors of a key service's SDK by tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from telemetry.exceptions import KeyCredentialsError, KeyServiceError, KeyUnreachableError

Kind = type[KeyServiceError]

_RENEW = "renew the credentials; those of a file, a role or a token are read again at the next call, others at the next start"


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkErrors:
    """The tables of one key service.

    Attributes:
        service: Name of the service, for messages.
        names: This library's class by the name of the SDK's; the nearest base of an error decides.
        remedies: Remedy by this library's class.
    """

    service: str
    names: Mapping[str, Kind]
    remedies: Mapping[Kind, str]

    def kind_of(self, error: type[BaseException]) -> Kind | None:
        """Return this library's class for one of the SDK's, or None for one that is in no table."""
        return next((self.names[base.__name__] for base in error.__mro__ if base.__name__ in self.names), None)

    def answered(self, kind: Kind, doing: str, answer: str) -> KeyServiceError:
        """Return the error for a service that answered with a refusal or a fault.

        Args:
            kind: Class of the error.
            doing: The call and its key, such as ``encrypting a data key with NAME``.
            answer: The service's code for it; never its text, which may show what was sent.
        """
        remedy = self.remedies.get(kind, f"see the {self.service} documentation of this error")
        if kind is KeyCredentialsError:
            remedy = _RENEW
        return kind(f"{doing} failed: {self.service} answered {answer}; {remedy}")

    def translated(self, kind: Kind, doing: str, error: Exception, *, answer: str = "") -> KeyServiceError:
        """Return the error for an exception of the SDK, which has no answer where the service was unreachable."""
        if kind is KeyUnreachableError:
            return unreachable(doing, error)
        return self.answered(kind, doing, answer or type(error).__name__)


def unreachable(
    doing: str, error: Exception, *, remedy: str = "check the endpoint, the network and the limits"
) -> KeyUnreachableError:
    """Return the error for a service that did not answer."""
    return KeyUnreachableError(f"{doing} failed: the key service did not answer ({type(error).__name__}); {remedy}")
