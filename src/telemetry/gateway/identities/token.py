"""Creates tokens and the digests by which they are recognized."""

from __future__ import annotations

import hashlib
import re
import secrets

_PREFIX = "tgw_"
"""Lets scanners for leaked secrets recognize a token."""
_RANDOM_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_.~+/-]{16,512}=*")
_ID_CHARACTERS = 12


def new_token() -> str:
    """Return a token of 256 random bits; it is never written down by the gateway."""
    return _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest_of(token: str) -> bytes:
    """Return the SHA-256 of a token.

    A token has 256 random bits, so nobody finds it by trying, and a slow hash (as for passwords) would serve nobody.
    """
    return hashlib.sha256(token.encode()).digest()


def token_id(digest: bytes) -> str:
    """Return the name of a token for logs and events: the beginning of its digest, which opens nothing."""
    return f"token:{digest.hex()[:_ID_CHARACTERS]}"


def bearer_token(value: str) -> str | None:
    """Return the token in a value of ``Authorization`` (RFC 6750, section 2.1); None if it has no well-formed one."""
    scheme, _, token = value.partition(" ")
    token = token.strip(" ")
    return token if scheme.lower() == "bearer" and _TOKEN.fullmatch(token) else None
