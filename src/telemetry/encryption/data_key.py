"""The life of the data keys that seal: fetched ahead, bounded by age, uses and bytes, one request at a time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NoReturn

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.encryption.context import MAX_URI_CHARACTERS, MAX_WRAPPED_BYTES, require_bounds
from telemetry.encryption.provider import DATA_KEY_BYTES, Context, DataKey, EncryptionProvider
from telemetry.exceptions import (
    EncryptionError,
    KeyMismatchError,
    KeyServiceError,
    KeyUnreachableError,
    TelemetryError,
)
from telemetry.format.value import jwe

PREFETCH_AT = 0.8
"""Part of a key's age, uses or bytes at which the next one is asked for."""
_FIRST_RETRY = 0.5
_LONGEST_RETRY = 30.0
_LONGEST_WAIT_OF_CALLERS = 1.0
_NEVER = float("-inf")


class ActiveKey:
    """A data key in use. Nothing of it is in a ``repr`` or a pickle.

    Attributes:
        kid: Commitment to the key and its wrapped form; the JWE's ``kid``.
        cipher: AES-256-GCM under the key.
        wrapped: The key, wrapped by the key service.
        key_uri: Which KEK wrapped it.
        uses: Events sealed with it.
        bytes_sealed: Their plaintext bytes.
        born_at: When it was made, in monotonic seconds.
        template: What the sealer keeps for this key.
    """

    __slots__ = ("born_at", "bytes_sealed", "cipher", "key_uri", "kid", "template", "uses", "wrapped")

    def __init__(self, *, plaintext: bytes, wrapped: bytes, key_uri: str, born_at: float) -> None:
        self.kid = jwe.key_id(plaintext, key_uri=key_uri, wrapped=wrapped)
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
    Ages count from the making of a key, so one that was fetched ahead is not younger for having waited.

    Args:
        provider: Makes and wraps the keys.
        context: What they are bound to.
        max_age: Seconds after which a key is replaced.
        max_uses: Events that one key may seal, at most.
        max_bytes: Bytes that one key may seal, at most.
        grace: Seconds past ``max_age`` that a key may live while no new one is to be had.
        clock: Monotonic seconds.
        on_rotated: Told each time a key comes into use.

    Attributes:
        fetches: How many keys the key service gave.
        failures: How many requests to it failed.
        last_fetch_seconds: How long the last request took.
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
        self._closing = threading.Event()
        self._current: ActiveKey | None = None
        self._next: ActiveKey | None = None
        # Up to here take() has nothing else to do than count.
        self._quiet_uses = 0
        self._quiet_bytes = 0
        self._quiet_until = _NEVER
        self._fetching = False
        self._waiters: list[Future[None]] = []
        self._retry_at = _NEVER
        self._failures_in_a_row = 0
        self._last_error: KeyServiceError | None = None
        self.fetches = 0
        self.failures = 0
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
        """Count one use and ``size`` bytes on the current key and return it.

        Args:
            size: Bytes that the caller is about to seal.

        Returns:
            The key, or None when none may be used now; ask :meth:`request` for one.

        Raises:
            EncryptionError: No key may ever seal so many bytes.
        """
        key = self._current
        if key is not None:
            uses = key.uses + 1
            sealed = key.bytes_sealed + size
            if uses <= self._quiet_uses and sealed <= self._quiet_bytes and self._clock() < self._quiet_until:
                key.uses = uses
                key.bytes_sealed = sealed
                return key
        return self._take_near_a_bound(size)

    def request(self) -> Future[None]:
        """Ask for a usable key; the future finishes when one is there, or fails with the key service's error.

        After a failure the next call to the service waits a moment (at most a second), so that callers who keep
        asking do not storm a service that is down.
        """
        future: Future[None] = Future()
        with self._lock:
            if self._closing.is_set():
                future.set_exception(_closed())
                return future
            if self._is_usable(self._next) or self._is_usable(self._current):
                future.set_result(None)
                return future
            self._waiters.append(future)
            begin, self._fetching = not self._fetching, True
            wait = min(self._retry_at - self._clock(), _LONGEST_WAIT_OF_CALLERS)
        if begin:
            self._start_fetch(wait)
        return future

    def close(self) -> None:
        """Forget the keys and fail whoever waits; never blocks on a key service that hangs."""
        with self._lock:
            self._closing.set()
            self._current = self._next = None
            waiters, self._waiters = self._waiters, []
        _finish(waiters, _closed())

    def _take_near_a_bound(self, size: int) -> ActiveKey | None:
        if size > self._max_bytes:
            message = f"an event of {size} bytes is larger than data_key_max_bytes ({self._max_bytes}); raise it"
            raise EncryptionError(message)
        with self._lock:
            before = self._current
            key, fetch = self._choose(size)
            if key is not None:
                key.uses += 1
                key.bytes_sealed += size
            begin = fetch and not (self._fetching or self._closing.is_set() or self._clock() < self._retry_at)
            self._fetching = self._fetching or begin
        if begin:
            self._start_fetch(0.0)
        if key is not None and key is not before and self._on_rotated is not None:
            self._on_rotated(key)
        return key

    def _choose(self, size: int) -> tuple[ActiveKey | None, bool]:
        """Return the key to use, and whether the next one should be fetched now."""
        now = self._clock()
        current, successor = self._current, self._next
        if successor is not None and now - successor.born_at >= self._max_age + self._grace:
            self._next = successor = None  # nobody logged for so long that it is stale too
        fits = current is not None and self._has_room(current, size)
        if current is None or not fits or now - current.born_at >= self._max_age:
            if successor is not None:
                self._current, self._next = successor, None
                return self._settle(successor, now)
            if current is None or not fits or now - current.born_at >= self._max_age + self._grace:
                # Dropped, or request() would take it for usable while it does not fit this event.
                self._current = None
                return None, False
        return self._settle(current, now)

    def _settle(self, key: ActiveKey, now: float) -> tuple[ActiveKey, bool]:
        """Set the bounds up to which ``take()`` only counts."""
        part = 1.0 if self._next is not None else PREFETCH_AT
        self._quiet_uses = int(self._max_uses * part)
        self._quiet_bytes = int(self._max_bytes * part)
        self._quiet_until = key.born_at + self._max_age * part
        late = key.uses >= self._quiet_uses or key.bytes_sealed >= self._quiet_bytes or now >= self._quiet_until
        return key, late and self._next is None

    def _has_room(self, key: ActiveKey, size: int) -> bool:
        return key.uses < self._max_uses and key.bytes_sealed + size <= self._max_bytes

    def _is_usable(self, key: ActiveKey | None) -> bool:
        if key is None:
            return False
        return self._has_room(key, 1) and self._clock() - key.born_at < self._max_age + self._grace

    def _start_fetch(self, wait: float) -> None:
        try:
            threading.Thread(target=self._fetch, args=(wait,), name="telemetry-keys", daemon=True).start()
        except RuntimeError as exc:  # out of threads, or the interpreter ends
            error = KeyUnreachableError("no thread could be started to ask the key service")
            error.__cause__ = exc
            self._note(None, error)

    def _fetch(self, wait: float) -> None:
        if wait > 0:
            self._closing.wait(wait)
        if self._closing.is_set():
            return
        error: EncryptionError | None = None
        fresh: ActiveKey | None = None
        asked_at, began = self._clock(), time.perf_counter()
        try:
            fresh = self._made(asked_at)
        except EncryptionError as exc:
            error = exc
        except TelemetryError as exc:  # a configuration that turned out to be unusable
            error = KeyServiceError(str(exc))
            error.__cause__ = exc
        except Exception as exc:  # noqa: BLE001 - a third party's provider may raise anything; waiters must hear of it
            error = KeyUnreachableError(f"the key service failed with {type(exc).__name__}")
            error.__cause__ = exc
        self.last_fetch_seconds = time.perf_counter() - began
        self._note(fresh, error)

    def _made(self, asked_at: float) -> ActiveKey:
        # A function of its own, so that nothing refers to the plaintext any more when the waiters are called.
        made = _checked(self._provider.generate_data_key(self._context))
        return ActiveKey(plaintext=made.plaintext, wrapped=made.wrapped, key_uri=made.key_uri, born_at=asked_at)

    def _note(self, fresh: ActiveKey | None, error: EncryptionError | None) -> None:
        with self._lock:
            self._fetching = False
            waiters, self._waiters = self._waiters, []
            if error is not None:
                self._back_off(error)
            elif not self._closing.is_set():
                self._next = fresh
                self.fetches += 1
                self._failures_in_a_row, self._retry_at, self._last_error = 0, _NEVER, None
        _finish(waiters, error)

    def _back_off(self, error: EncryptionError) -> None:
        self._last_error = error if isinstance(error, KeyServiceError) else KeyServiceError(str(error))
        wait = min(_LONGEST_RETRY, _FIRST_RETRY * 2 ** min(self._failures_in_a_row, 16))
        self._failures_in_a_row += 1
        self.failures += 1
        self._retry_at = self._clock() + random.uniform(wait / 2, wait)  # noqa: S311 - jitter, not a secret


def _checked(made: DataKey) -> DataKey:
    """Refuse what a third party's provider must not return."""
    try:
        fits = len(made.plaintext) == DATA_KEY_BYTES
        require_bounds(made.wrapped, made.key_uri)  # or no reader would take it
    except KeyMismatchError:
        fits = False
    if not fits:
        message = (
            "the key service's provider returned an unusable data key; it must have 32 bytes, a wrapped form of at "
            f"most {MAX_WRAPPED_BYTES} bytes and a URI of at most {MAX_URI_CHARACTERS} plain characters"
        )
        raise KeyServiceError(message)
    return made


def _closed() -> EncryptionError:
    return EncryptionError("the data keys are closed")


def _finish(waiters: list[Future[None]], error: EncryptionError | None) -> None:
    for waiter in waiters:
        if not waiter.set_running_or_notify_cancel():
            continue
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
