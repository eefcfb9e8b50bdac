"""Defines the one form in which a context is bound to a wrapped key, and checks the form of the keys."""

from __future__ import annotations

import hashlib
import json

from telemetry.encryption.provider import DATA_KEY_BYTES, Context
from telemetry.exceptions import KeyMismatchError

MAX_WRAPPED_BYTES = 8_192
MAX_URI_CHARACTERS = 2_048


def canonical(context: Context) -> bytes:
    """Return a context as JSON with sorted names, no spaces and nothing escaped that need not be, in UTF-8.

    Raises:
        KeyMismatchError: It has a lone surrogate, and no context that was bound to a key can have one.
    """
    try:
        return json.dumps(dict(context), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError as exc:
        message = "the context is not Unicode text, so no key was wrapped for it"
        raise KeyMismatchError(message) from exc


def context_digest(context: Context) -> bytes:
    """Return the SHA-256 of the canonical context, for key services that cannot bind one themselves."""
    return hashlib.sha256(canonical(context)).digest()


def require_data_key(plaintext: bytes, *, key_uri: str) -> bytes:
    """Return the unwrapped bytes if they are as long as a data key.

    Raises:
        KeyMismatchError: They are not, so they were wrapped for something else.
    """
    if len(plaintext) != DATA_KEY_BYTES:
        message = f"the bytes that {key_uri} unwrapped are not a data key of {DATA_KEY_BYTES} bytes; they were wrapped for something else"
        raise KeyMismatchError(message)
    return plaintext


def require_bounds(wrapped: bytes, key_uri: str) -> None:
    """Refuse bytes that cannot be a wrapped data key, or its URI, before the key service is called.

    Raises:
        KeyMismatchError: They are empty or too long, or the URI has characters that no URI has.
    """
    if not 0 < len(wrapped) <= MAX_WRAPPED_BYTES:
        message = f"a wrapped data key has 1 to {MAX_WRAPPED_BYTES} bytes, this one {len(wrapped)}; it was altered"
        raise KeyMismatchError(message)
    if not 0 < len(key_uri) <= MAX_URI_CHARACTERS or not key_uri.isascii() or not key_uri.isprintable():
        message = "the KEK's URI is empty, too long or not plain text; it was altered"
        raise KeyMismatchError(message)
