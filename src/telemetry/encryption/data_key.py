"""The life of the data keys that seal: fetched ahead, bounded by age, uses and bytes, one request at a time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NoReturn

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.encryption.provider import Context, EncryptionProvider
from telemetry.exceptions import EncryptionError, KeyServiceError, KeyUnreachableError
from telemetry.format import jwe

_PREFETCH = 0.8
_FIRST_RETRY = 0.5
_LONGEST_RETRY = 30.0


class ActiveKey:
    """A data key in use. Nothing of it is in a ``repr`` or a pickle.

    Attributes:
        kid: Commitment to the key; the JWE's ``kid``.
        cipher: AES-256-GCM under the key.
        wrapped: The key, wrapped by the key service.
        key_uri: Which KEK wrapped it.
        uses: Events sealed with it.
        bytes_sealed: Their plaintext bytes.
        born_at: Monotonic seconds.
        template: What the sealer keeps for this key.
    """

    __slots__ = ("born_at", "bytes_sealed", "cipher", "key_uri", "kid", "template", "uses", "wrapped")

    def __init__(self, *, plaintext: bytes, wrapped: bytes, key_uri: str, born_at: float) -> None:
        self.kid = jwe.key_id(plaintext)
        self.cipher = AESGCM(plaintext)
        self.wrapped = wrapped
        self.key_uri = key_uri
        self.uses = 0
        self.bytes_sealed = 0
        self.born_at = born_at
        self.template: Any = None

    def __repr__(self) -> str:
        return f"ActiveKey(kid={self.kid!r}, uses={self.uses})"

    def __reduce__(self) -> NoReturn:
        message = "a data key cannot be pickled or copied"
        raise TypeError(message)


class DataKeyring:
    """Gives the sealer its data key and has the next one ready in time.

    :meth:`take` is called under the caller's lock, once an event; everything slow happens in a thread of its own.

    Args:
        provider: Makes and wraps the keys.
        context: What they are bound to.
        max_age: Seconds after which a key is replaced.
        max_uses: Events that one key may seal, at most.
        max_bytes: Bytes that one key may seal, at most.
        grace: Seconds past ``max_age`` that a key may live while no new one is to be had.
        clock: Monotonic seconds.
        on_rotated: Told each time a key comes into use.
    """

    def __init__(
        self,
        provider: EncryptionProvider,
        *,
        context: Context,
        max_age: float,
        max_uses: int,
        max_bytes: int,
        grace: float,
        clock: Callable[[], float] = time.monotonic,
        on_rotated: Callable[[ActiveKey], None] | None = None,
    ) -> None:
        self._provider = provider
        self._context = dict(context)
        self._max_age = max_age
        self._max_uses = max_uses
        self._max_bytes = max_bytes
        self._grace = grace
        self._clock = clock
        self._on_rotated = on_rotated
        self._lock = threading.Lock()
        self._current: ActiveKey | None = None
        self._next: ActiveKey | None = None
        self._fetching = False
        self._waiters: list[Future[None]] = []
        self._retry_at = 0.0
        self._failures = 0
        self._closed = False
        self._last_error: KeyServiceError | None = None
        self.fetches = 0
        self.last_fetch_seconds = 0.0

    @property
    def last_error(self) -> KeyServiceError | None:
        """Why the last request failed; None after one that succeeded."""
        return self._last_error

    @property
    def uses_left(self) -> int:
        """How many events the current key may still seal."""
        current = self._current
        return 0 if current is None else self._max_uses - current.uses

    @property
    def age(self) -> float:
        """Age of the current key in seconds."""
        current = self._current
        return 0.0 if current is None else self._clock() - current.born_at

    def take(self, size: int) -> ActiveKey | None:
        """Count one use and ``size`` bytes on the current key and return it; None when no key may be used."""
        key = self._current
        if key is None:
            key = self._rotate(None, size)
            if key is None:
                return None
        age = self._clock() - key.born_at
        spent = key.uses >= self._max_uses or key.bytes_sealed + size > self._max_bytes
        if spent or age >= self._max_age:
            successor = self._rotate(key, size)
            if successor is None:
                if spent or age >= self._max_age + self._grace:
                    self._current = None
                    return None
                self._prefetch()
            else:
                key = successor
        elif self._is_late(key, age):
            self._prefetch()
        key.uses += 1
        key.bytes_sealed += size
        return key

    def request(self) -> Future[None]:
        """Ask for a usable key; the future finishes when one is there, or fails with the key service's error."""
        future: Future[None] = Future()
        with self._lock:
            if self._closed:
                future.set_exception(EncryptionError("the data keys are closed"))
                return future
            if self._next is not None or self._is_usable(self._current):
                future.set_result(None)
                return future
            self._waiters.append(future)
            begin, self._fetching = not self._fetching, True
        if begin:
            self._start_fetch()
        return future

    def close(self) -> None:
        """Forget the keys and fail whoever waits; never blocks on a key service that hangs."""
        with self._lock:
            self._closed = True
            self._current = self._next = None
            waiters, self._waiters = self._waiters, []
        _finish(waiters, EncryptionError("the data keys are closed"))

    def _is_late(self, key: ActiveKey, age: float) -> bool:
        return self._next is None and (
            key.uses >= self._max_uses * _PREFETCH
            or age >= self._max_age * _PREFETCH
            or key.bytes_sealed >= self._max_bytes * _PREFETCH
        )

    def _is_usable(self, key: ActiveKey | None) -> bool:
        return (
            key is not None
            and key.uses < self._max_uses
            and key.bytes_sealed < self._max_bytes
            and self._clock() - key.born_at < self._max_age + self._grace
        )

    def _rotate(self, _old: ActiveKey | None, size: int) -> ActiveKey | None:
        """Put the next key into use, if it is there and large enough for one event of ``size``."""
        successor = self._next
        if successor is None or size > self._max_bytes:
            return None
        self._next = None
        self._current = successor
        successor.born_at = self._clock()
        if self._on_rotated is not None:
            self._on_rotated(successor)
        return successor

    def _prefetch(self) -> None:
        if self._fetching or self._clock() < self._retry_at:
            return
        with self._lock:
            if self._fetching or self._closed:
                return
            self._fetching = True
        self._start_fetch()

    def _start_fetch(self) -> None:
        threading.Thread(target=self._fetch, name="telemetry-keys", daemon=True).start()

    def _fetch(self) -> None:
        began = time.perf_counter()
        error: EncryptionError | None = None
        fresh: ActiveKey | None = None
        try:
            made = self._provider.generate_data_key(self._context)
            fresh = ActiveKey(
                plaintext=made.plaintext, wrapped=made.wrapped, key_uri=made.key_uri, born_at=self._clock()
            )
        except EncryptionError as exc:
            error = exc
        except Exception as exc:  # noqa: BLE001 - a third party's provider may raise anything; waiters must hear of it
            error = KeyUnreachableError(f"the key service failed with {type(exc).__name__}")
            error.__cause__ = exc
        self.last_fetch_seconds = time.perf_counter() - began
        with self._lock:
            self._fetching = False
            waiters, self._waiters = self._waiters, []
            self._note(fresh, error)
        _finish(waiters, error)

    def _note(self, fresh: ActiveKey | None, error: EncryptionError | None) -> None:
        if fresh is not None and not self._closed:
            self._next = fresh
            self.fetches += 1
            self._failures, self._retry_at, self._last_error = 0, 0.0, None
        elif error is not None:
            self._last_error = error if isinstance(error, KeyServiceError) else KeyServiceError(str(error))
            wait = min(_LONGEST_RETRY, _FIRST_RETRY * 2 ** min(self._failures, 16))
            self._failures += 1
            self._retry_at = self._clock() + random.uniform(wait / 2, wait)  # noqa: S311 - jitter, not a secret


def _finish(waiters: list[Future[None]], error: EncryptionError | None) -> None:
    for waiter in waiters:
        if not waiter.set_running_or_notify_cancel():
            continue
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
