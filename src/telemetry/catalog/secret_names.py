"""Lists the names under which secrets are usually found, and recognizes them in any spelling."""

from __future__ import annotations

import re
from collections.abc import Iterable

SECRET_NAMES = (
    *(
        "password",
        "passwd",
        "passphrase",
        "passcode",
        "pwd",
        "password hash",
        "password confirmation",
        "password confirm",
    ),
    *("secret", "secret key", "client secret", "shared secret", "signing key", "encryption key", "private key"),
    *("token", "access token", "refresh token", "id token", "auth token", "session token", "csrf token", "xsrf token"),
    *("csrf middleware token", "bearer", "jwt", "authorization", "proxy authorization", "cookie", "set cookie"),
    *(
        "api key",
        "access key",
        "secret access key",
        "account key",
        "credential",
        "one time password",
        "otp",
        "totp",
        "pin",
    ),
    *(
        "pan",
        "card number",
        "primary account number",
        "cvv",
        "cvv2",
        "cvc",
        "cvc2",
        "cid number",
        "card verification value",
    ),
    *("security code", "track data", "track1", "track2", "pin block", "ssn", "social security number"),
)
"""The names; a name of an event is one of these, or ends in one: ``new_password``, ``X-Api-Key``, ``accessToken``."""

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_LONG = 6
"""A name of so many letters is recognized at the end of a longer word too: ``dbpassword``."""
_MAX_NAME = 256
_REMEMBERED = 4_096


class SecretNames:
    """Recognizes names of secrets; case and separators do not matter.

    Args:
        more: Further names.
        spared: Names that are not recognized, although they are listed, or end in one that is.
    """

    def __init__(self, more: Iterable[str] = (), spared: Iterable[str] = ()) -> None:
        self._names = frozenset("".join(_words(name)) for name in (*SECRET_NAMES, *more)) - {""}
        self._long = tuple(name for name in self._names if len(name) >= _LONG)
        self._spared = frozenset("".join(_words(name)) for name in spared)
        self._known: dict[str, bool] = {}

    def has(self, name: str) -> bool:
        """Return whether a name says that its value is a secret."""
        known = self._known.get(name)
        if known is None:
            known = self._is_secret(name[-_MAX_NAME:])
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            if len(name) <= _MAX_NAME:
                self._known[name] = known
        return known

    def _is_secret(self, name: str) -> bool:
        words = _words(name)
        while words and words[-1].isdecimal() and "".join(words) not in self._names:
            words.pop()  # password2
        whole = "".join(words)
        if whole in self._spared:
            return False
        ends = {"".join(words[start:]) for start in range(len(words))}
        ends |= {end.removesuffix("s") for end in ends}
        return not ends.isdisjoint(self._names) or whole.removesuffix("s").endswith(self._long)


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _WORDS.findall(name)]
