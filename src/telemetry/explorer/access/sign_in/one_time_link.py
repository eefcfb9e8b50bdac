"""Lets the person in who started the explorer: a link that works once, for a short time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time

from telemetry.system.clock import Clock

LINK_SECONDS = 300.0
"""How long a link works, from when it was made."""
_TOKEN_BYTES = 32


class OneTimeLink:
    """Makes links and takes each of them once. Only the digest of a link's secret is kept.

    Args:
        origin: Address of the explorer, such as ``http://127.0.0.1:43121``.
        clock: Monotonic seconds.
    """

    def __init__(self, origin: str, *, clock: Clock = time.monotonic) -> None:
        self._origin = origin
        self._clock = clock
        self._digest: bytes | None = None
        self._made = 0.0

    def __repr__(self) -> str:
        return f"OneTimeLink(is_open={self._digest is not None})"

    def make(self) -> str:
        """Return a new link, for the person's terminal alone; the former one is worth nothing from now on."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._digest, self._made = _digest_of(token), self._clock()
        return f"{self._origin}/enter/{token}"

    def is_good(self, token: str) -> bool:
        """Return whether the link works; this does not use it up."""
        if self._digest is None or self._clock() - self._made >= LINK_SECONDS:
            return False
        return hmac.compare_digest(self._digest, _digest_of(token))

    def take(self, token: str) -> bool:
        """Use the link up; return whether it worked."""
        if not self.is_good(token):
            return False
        self._digest = None
        return True


def _digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
