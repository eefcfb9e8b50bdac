"""The read side's data keys: unwrapped once, kept within bounds."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple, NoReturn

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.encryption.provider import Context, EncryptionProvider
from telemetry.format import jwe


class OpenedKey:
    """An unwrapped data key, ready to open records. Nothing of it is in a ``repr`` or a pickle.

    Attributes:
        kid: Commitment, computed from the key.
        cipher: AES-256-GCM under the key.
    """

    __slots__ = ("cipher", "kid")

    def __init__(self, plaintext: bytes) -> None:
        self.kid = jwe.key_id(plaintext)
        self.cipher = AESGCM(plaintext)

    def __repr__(self) -> str:
        return f"OpenedKey(kid={self.kid!r})"

    def __reduce__(self) -> NoReturn:
        message = "a data key cannot be pickled or copied"
        raise TypeError(message)


class _Entry(NamedTuple):
    key: Future[OpenedKey]
    asked_at: float


_Name = tuple[bytes, str, tuple[tuple[str, str], ...]]


class UnwrapCache:
    """Unwraps each data key once, however many threads read; a revoked KEK stops readers after ``max_age``.

    Failures are not kept.

    Args:
        provider: Unwraps.
        max_entries: Keys kept; the one not used for longest goes first.
        max_age: Seconds after which a key is unwrapped anew.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        provider: EncryptionProvider,
        *,
        max_entries: int = 1_000,
        max_age: float = 3_600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider = provider
        self._max_entries = max_entries
        self._max_age = max_age
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[_Name, _Entry] = OrderedDict()

    def open_key(self, wrapped: bytes, key_uri: str, context: Context) -> OpenedKey:
        """Return the data key that ``wrapped`` holds.

        Raises:
            KeyServiceError: As ``EncryptionProvider.unwrap``.
        """
        name = (wrapped, key_uri, tuple(sorted(context.items())))
        with self._lock:
            entry = self._entries.get(name)
            found = entry is not None and self._clock() - entry.asked_at < self._max_age
            if not found or entry is None:
                entry = _Entry(Future(), self._clock())
                self._entries[name] = entry
            self._entries.move_to_end(name)
            while len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
        if not found:
            self._unwrap(name, entry, context)
        return entry.key.result()

    def close(self) -> None:
        """Forget the keys."""
        with self._lock:
            self._entries.clear()

    def _unwrap(self, name: _Name, entry: _Entry, context: Context) -> None:
        try:
            entry.key.set_result(OpenedKey(self._provider.unwrap(name[0], name[1], context)))
        except BaseException as exc:  # whoever waits for this key must hear of it, whatever it was
            with self._lock:
                if self._entries.get(name) is entry:
                    del self._entries[name]
            entry.key.set_exception(exc)
            if not isinstance(exc, Exception):
                raise
