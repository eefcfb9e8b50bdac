"""Reads and writes a trail with several KEKs: the current one, former ones, and recipients of each data key."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import chain

from telemetry.encryption.context import require_bounds
from telemetry.encryption.provider import DATA_KEY_BYTES, Context, DataKey, EncryptionProvider
from telemetry.encryption.trial import TRIAL_CONTEXT
from telemetry.exceptions import KeyMismatchError, KeyNotListedError, KeyServiceError
from telemetry.format.value.recipients import Wrap

logger = logging.getLogger("telemetry.encryption")


class ListedKeys(EncryptionProvider):
    """The current KEK of a trail, its previous ones, which only unwrap, and further ones that wrap each data key too.

    A previous key's service is called for a record that names this key, and not before.

    Args:
        current: Generates and wraps the data keys, and unwraps those that it wrapped.
        previous: Unwrap the data keys of earlier times.
        recipients: Wrap each data key as well.
    """

    def __init__(
        self,
        current: EncryptionProvider,
        previous: Sequence[EncryptionProvider] = (),
        *,
        recipients: Sequence[EncryptionProvider] = (),
    ) -> None:
        self._current = current
        self._previous = tuple(previous)
        self._recipients = tuple(recipients)
        # The current key last: the others are named exactly, while an alias that is not resolved yet may be any key.
        self._unwrapping = (*previous, *recipients, current)
        self.opens_for_recipients = bool(recipients) or any(key.opens_for_recipients for key in self._unwrapping)

    def __repr__(self) -> str:
        others = f"previous={len(self._previous)}, recipients={len(self._recipients)}"
        return f"ListedKeys({self._current!r}, {others})"

    def generate_data_key(self, context: Context) -> DataKey:
        """Generate a data key under the current KEK, and have the recipients wrap it too.

        A recipient that cannot do that now is left out of this data key, with a line in the log: the trail is worth more
        than its second key.
        """
        key = self._current.generate_data_key(context)
        key.recipients = tuple(self._wraps(key, context))
        return key

    def wrap(self, plaintext: bytes, context: Context) -> Wrap:
        """Wrap a data key under the current KEK."""
        return self._current.wrap(plaintext, context)

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
        raise not_listed(key_uri, configured=f"one of the {len(self._unwrapping)} configured keys")

    def admits(self, key_uri: str) -> bool:
        """Whether one of the keys may have this URI."""
        return any(provider.admits(key_uri) for provider in self._unwrapping)

    def costs_a_call(self, key_uri: str) -> bool:
        """Whether one of the keys that may have this URI is in a service."""
        return any(provider.costs_a_call(key_uri) for provider in self._unwrapping)

    def storage_secrets(self) -> tuple[bytes, ...]:
        """Return the secrets of the current key and of the previous ones; one that cannot be read now is left out."""
        return (*self._current.storage_secrets(), *chain.from_iterable(map(_known_secrets, self._previous)))

    def check(self) -> None:
        """Check the current key, and that each recipient wraps; the previous ones are needed when a record names them."""
        self._current.check()
        for recipient in self._recipients:
            recipient.wrap(bytes(DATA_KEY_BYTES), TRIAL_CONTEXT)

    def close(self) -> None:
        """Close every key's provider."""
        for provider in self._unwrapping:
            provider.close()

    def _wraps(self, key: DataKey, context: Context) -> Iterator[Wrap]:
        for recipient in self._recipients:
            try:
                yield recipient.wrap(key.plaintext, context)
            except KeyServiceError as exc:
                logger.error("a recipient did not wrap the next data key, and cannot open what it seals: %s", exc)  # noqa: TRY400 - the cause is in the line


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
