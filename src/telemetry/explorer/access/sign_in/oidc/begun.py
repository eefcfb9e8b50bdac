"""Remembers the sign-ins that have begun, until the provider answers."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass

from telemetry.system.clock import Clock

_LONGEST_SECONDS = 600.0
_MOST = 10_000
_BYTES = 32


@dataclass(frozen=True, slots=True, repr=False)
class BegunSignIn:
    """A sign-in that has begun.

    Attributes:
        nonce: What the ID token must repeat.
        verifier: What proves that the code is exchanged by those who asked for it (RFC 7636).
        browser: Digest of what the browser keeps: the answer must come from the same one.
        follow: Path to go to afterwards.
        began: When, in monotonic seconds.
    """

    nonce: str
    verifier: str
    browser: bytes
    follow: str
    began: float


class BegunSignIns:
    """The sign-ins that have begun, by the digest of their state; a state is good for one answer.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._begun: OrderedDict[bytes, BegunSignIn] = OrderedDict()

    def begin(self, follow: str) -> tuple[str, str, BegunSignIn]:
        """Begin a sign-in.

        Args:
            follow: Path of the explorer to go to afterwards.

        Returns:
            The state, what the browser keeps, and what is remembered.
        """
        state, browser = secrets.token_urlsafe(_BYTES), secrets.token_urlsafe(_BYTES)
        begun = BegunSignIn(
            nonce=secrets.token_urlsafe(_BYTES),
            verifier=secrets.token_urlsafe(_BYTES),
            browser=_digest_of(browser),
            follow=follow,
            began=self._clock(),
        )
        self._begun[_digest_of(state)] = begun
        if len(self._begun) > _MOST:
            self._begun.popitem(last=False)
        return state, browser, begun

    def take(self, state: str, *, browser: str) -> BegunSignIn | None:
        """Return what was remembered of a sign-in, once; None if it is unknown, too old, or another browser's."""
        begun = self._begun.pop(_digest_of(state), None)
        if begun is None or self._clock() - begun.began >= _LONGEST_SECONDS:
            return None
        return begun if hmac.compare_digest(begun.browser, _digest_of(browser)) else None


def _digest_of(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
