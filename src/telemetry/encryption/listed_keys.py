"""Reads a trail across several KEKs: the current one, and those that the configuration lists on purpose."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import chain

from telemetry.encryption.context import require_bounds
from telemetry.encryption.provider import Context, DataKey, EncryptionProvider
from telemetry.exceptions import KeyMismatchError, KeyNotListedError, KeyServiceError

logger = logging.getLogger("telemetry.encryption")


class ListedKeys(EncryptionProvider):
    """The current KEK of a trail, which wraps, and its previous ones, which only unwrap.

    A previous key's service is called for a record that names this key, and not before.

    Args:
        current: Wraps the data keys, and unwraps those that it wrapped.
        previous: Unwrap the data keys of earlier times.
    """

    def __init__(self, current: EncryptionProvider, previous: Sequence[EncryptionProvider]) -> None:
        self._current = current
        # Previous keys first: they are named exactly, while an alias that is not resolved yet may be any key.
        self._unwrapping = (*previous, current)

    def __repr__(self) -> str:
        return f"ListedKeys({self._current!r}, previous={len(self._unwrapping) - 1})"

    def generate_data_key(self, context: Context) -> DataKey:
        """Generate a data key under the current KEK."""
        return self._current.generate_data_key(context)

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        """Unwrap a data key by the KEK that the record names, if it is listed."""
        require_bounds(wrapped, key_uri)
        refusals: list[KeyServiceError] = []
        for provider in self._unwrapping:
            if not provider.admits(key_uri):
                continue
            try:
                return provider.unwrap(wrapped, key_uri, context)
            except KeyServiceError as exc:
                refusals.append(exc)
        # An outage or a missing right says more than "not my key", which another one may have answered.
        telling = [refusal for refusal in refusals if not isinstance(refusal, KeyMismatchError)]
        if refusals:
            raise (telling or refusals)[-1]
        raise not_listed(key_uri, configured=f"the configured key or one of its {len(self._unwrapping) - 1} previous")

    def admits(self, key_uri: str) -> bool:
        """Whether one of the keys may have this URI."""
        return any(provider.admits(key_uri) for provider in self._unwrapping)

    def storage_secrets(self) -> tuple[bytes, ...]:
        """Return the secrets of the current key and of the previous ones; one that cannot be read now is left out."""
        *previous, current = self._unwrapping
        return (*current.storage_secrets(), *chain.from_iterable(map(_known_secrets, previous)))

    def check(self) -> None:
        """Check the current key; the previous ones are needed when a record names them."""
        self._current.check()

    def close(self) -> None:
        """Close every key's provider."""
        for provider in self._unwrapping:
            provider.close()


def _known_secrets(provider: EncryptionProvider) -> tuple[bytes, ...]:
    try:
        return provider.storage_secrets()
    except KeyServiceError as exc:
        logger.warning("what was stored under a previous key cannot be opened: %s", exc)
        return ()


def not_listed(key_uri: str, *, configured: str) -> KeyNotListedError:
    """Return the error for a record whose KEK the configuration does not list.

    Args:
        key_uri: What the record names, within the bounds of a URI.
        configured: The key or keys that are accepted.
    """
    return KeyNotListedError(
        f"the record names {key_uri!r} as its KEK, which is not {configured}; if it is an earlier key of this trail, "
        "list it in encryption_config.previous_keys; the key service was not called"
    )
