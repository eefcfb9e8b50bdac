"""Tries a key service at the start, so that a key that cannot be used stops a process before its first event."""

from __future__ import annotations

import hmac

from telemetry.encryption.provider import Context, EncryptionProvider
from telemetry.exceptions import KeyMismatchError

TRIAL_CONTEXT: Context = {
    "service": "telemetry-check",
    "environment": "telemetry-check",
    "purpose": "telemetry-audit",
    "format": "1",
}
"""The context of ``check()``. A key policy with conditions on the context must admit it."""


def try_key(provider: EncryptionProvider, *, writer_only: bool) -> None:
    """Wrap a data key and, unless ``writer_only``, unwrap it again.

    Raises:
        KeyServiceError: The key cannot be used; the subclass says why.
    """
    key = provider.generate_data_key(TRIAL_CONTEXT)
    if writer_only:
        return
    if not hmac.compare_digest(provider.unwrap(key.wrapped, key.key_uri, TRIAL_CONTEXT), key.plaintext):
        message = f"{key.key_uri} unwrapped a trial key to other bytes than it had wrapped; do not use it"
        raise KeyMismatchError(message)
