"""Keeps the data keys that seal: fetched ahead, bounded by age, uses and bytes, one request at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.encryption.context import MAX_URI_CHARACTERS, MAX_WRAPPED_BYTES, require_bounds
from telemetry.encryption.provider import DATA_KEY_BYTES, Context, DataKey, EncryptionProvider
from telemetry.encryption.retry_pace import RetryPace
from telemetry.exceptions import (
    EncryptionError,
    KeyMismatchError,
    KeyServiceError,
    KeyUnreachableError,
    MalformedRecordError,
    TelemetryError,
)
from telemetry.format.value import jwe
from telemetry.format.value.recipients import Wrap, parse_recipients, render_recipients

if TYPE_CHECKING:
    from telemetry.encryption.fetch_threads import FetchThreads

PREFETCH_AT = 0.8
"""Part of a key's age, uses or bytes at which the next one is requested."""
_LONGEST_WAIT_OF_CALLERS = 1.0
_NEVER = float("-inf")


class ActiveKey:
    """A data key in use. Nothing of it is in a ``repr`` or a pickle.

    Attributes:
        kid: Commitment to the key and its wrapped form; the JWE's ``kid``.
        cipher: AES-256-GCM under the key.
        wrapped: The key, wrapped by the key service.
        key_uri: URI of the KEK that wrapped it.
        recipients: The key as further keys wrapped it, as the text that a record carries; None without any.
        uses: Events sealed with it.
        bytes_sealed: Their plaintext bytes.
        born_at: When its generation was requested, in monotonic seconds.
        fast_uses: Up to this many uses the keyring has nothing to do but count ...
        fast_bytes: ... and up to this many bytes ...
        fast_until: ... and up to this moment.
        template: Prepared bytes that the sealer keeps for this key.
    """

    __slots__ = (
        "born_at",
        "bytes_sealed",
        "cipher",
        "fast_bytes",
        "fast_until",
        "fast_uses",
        "key_uri",
        "kid",
        "recipients",
        "template",
        "uses",
        "wrapped",
    )

    def __init__(
        self, *, plaintext: bytes, wrapped: bytes, key_uri: str, born_at: float, recipients: tuple[Wrap, ...] = ()
    ) -> None:
        self.kid = jwe.key_id(plaintext, key_uri=key_uri, wrapped=wrapped)
        self.cipher = AESGCM(plaintext)
        self.wrapped = wrapped
        self.key_uri = key_uri
        self.recipients = render_recipients(recipients) if recipients else None
        self.uses = 0
        self.bytes_sealed = 0
        self.born_at = born_at
        # The keyring raises these when the key comes into use.
        self.fast_uses = 0
        self.fast_bytes = 0
        self.fast_until = _NEVER
        self.template: Any = None

    def __repr__(self) -> str:
        return f"ActiveKey(kid={self.kid!r}, uses={self.uses})"

    def __reduce__(self) -> NoReturn:
        message = "a data key cannot be pickled or copied"
        raise TypeError(message)


class RotationListener(Protocol):
    """Notices each data key that comes into use."""

    def key_rotated(self, key: ActiveKey) -> None:
        """Called with the key in the thread of :meth:`DataKeyring.take`, under its caller's lock; must not block."""


@dataclass(frozen=True, slots=True)
class _Bounds:
    """How long and how often a data key may be used; see :class:`DataKeyring`."""

    max_age: float
    max_uses: int
    max_bytes: int
    grace: float

    def has_room(self, key: ActiveKey, size: int) -> bool:
        return key.uses < self.max_uses and key.bytes_sealed + size <= self.max_bytes

    def is_due(self, key: ActiveKey, now: float) -> bool:
        """Whether the key should be replaced, if there is another one."""
        return now - key.born_at >= self.max_age

    def is_stale(self, key: ActiveKey, now: float) -> bool:
        """Whether the key must not be used, even if there is no other one."""
        return now - key.born_at >= self.max_age + self.grace


class DataKeyring:
    """Gives the sealer its data key and has the next one ready in time.

    :meth:`take` is called under the caller's lock, once an event; everything slow happens in a thread of its own.
    Ages count from the request of a key, so one that was fetched ahead is not younger for having waited.

    ``_lock`` protects the keys, ``_waiters`` and the pace against the thread that fetches. :meth:`take` reads
    ``_current`` without it: the counts of a key change under the caller's lock only.

    Args:
        provider: Generates and wraps the keys.
        context: Context that the keys are bound to.
        max_age: Seconds after which a key is replaced.
        max_uses: Events that one key may seal, at most.
        max_bytes: Bytes that one key may seal, at most.
        grace: Seconds past ``max_age`` that a key may live while no new one is available.
        clock: Monotonic seconds.
        listener: Called with each key that comes into use.
        threads: Run the requests, where many keyrings ask one key service; default: each request has a thread of its own.

    Attributes:
        last_fetch_seconds: How long the last request took.
    """

    # attributes: the keys, what bounds them, and the one request that is under way
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
        listener: RotationListener | None = None,
        threads: FetchThreads | None = None,
    ) -> None:
        self._provider = provider
        self._context = dict(context)
        self._bounds = _Bounds(max_age, max_uses, max_bytes, grace)
        self._clock = clock
        self._listener = listener
        self._threads = threads
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._current: ActiveKey | None = None
        self._next: ActiveKey | None = None
        # Futures that the request under way will finish; None while there is no request.
        self._waiters: list[Future[None]] | None = None
        self._pace = RetryPace()
        self.last_fetch_seconds = 0.0

    @property
    def last_error(self) -> KeyServiceError | None:
        """Why the last request failed; None after one that succeeded."""
        return self._pace.last_error

    @property
    def uses_left(self) -> int:
        """How many events the current key may still seal."""
        current = self._current
        return 0 if current is None else self._bounds.max_uses - current.uses

    @property
    def age(self) -> float:
        """Age of the current key in seconds."""
        current = self._current
        return 0.0 if current is None else self._clock() - current.born_at

    @property
    def has_usable_key(self) -> bool:
        """Whether the next event can be sealed without a call to the key service."""
        now = self._clock()
        return self._is_usable(self._next, now) or self._is_usable(self._current, now)

    @property
    def is_overdue(self) -> bool:
        """Whether the current key is past its age, and the key service gave no new one when it was asked."""
        current = self._current
        return current is not None and self.last_error is not None and self._bounds.is_due(current, self._clock())

    @property
    def is_withheld(self) -> bool:
        """Whether a new key is due, and the key service gave none when it was asked."""
        return self.is_overdue or (self.last_error is not None and not self.has_usable_key)

    def retry_if_due(self) -> None:
        """Ask the key service again, if no request is under way and its pace allows one; does not wait for it."""
        with self._lock:
            if self._closing.is_set() or self._waiters is not None or self._pace.wait(self._clock()) > 0:
                return
            self._waiters = []
        self._start_fetch(0.0)

    def take(self, size: int) -> ActiveKey | None:
        """Count one use and ``size`` bytes on the current key and return it.

        Args:
            size: Bytes that the caller is about to seal.

        Returns:
            The key, or None when none may be used now; :meth:`request` then fetches one.

        Raises:
            EncryptionError: No key may ever seal so many bytes.
        """
        key = self._current
        if key is not None:
            uses = key.uses + 1
            sealed = key.bytes_sealed + size
            if uses <= key.fast_uses and sealed <= key.fast_bytes and self._clock() < key.fast_until:
                key.uses = uses
                key.bytes_sealed = sealed
                return key
        return self._take_near_a_bound(size)

    def request(self) -> Future[None]:
        """Request a usable key; the future finishes when one is there, or fails with the key service's error.

        After a failure the next call to the service waits a moment (at most a second), so that callers who keep
        asking do not storm a service that is down.
        """
        future: Future[None] = Future()
        with self._lock:
            if self._closing.is_set():
                future.set_exception(_closed())
                return future
            now = self._clock()
            if self._is_usable(self._next, now) or self._is_usable(self._current, now):
                future.set_result(None)
                return future
            if self._waiters is not None:
                self._waiters.append(future)
                return future
            self._waiters = [future]
            wait = min(self._pace.wait(now), _LONGEST_WAIT_OF_CALLERS)
        self._start_fetch(wait)
        return future

    def close(self) -> None:
        """Forget the keys and fail every call that waits; never blocks on a key service that hangs."""
        with self._lock:
            self._closing.set()
            self._current = self._next = None
            waiters, self._waiters = self._waiters, None
        _finish(waiters or [], _closed())

    def _take_near_a_bound(self, size: int) -> ActiveKey | None:
        if size > self._bounds.max_bytes:
            message = f"an event of {size} bytes is larger than data_key_max_bytes ({self._bounds.max_bytes}); raise it"
            raise EncryptionError(message)
        with self._lock:
            now, before = self._clock(), self._current
            key = self._current = self._choose(size, now)
            if key is not None:
                self._set_fast_limits(key)
            begin = key is not None and self._should_prefetch(key, now)
            if key is not None:
                key.uses += 1
                key.bytes_sealed += size
            if begin:
                self._waiters = []
        if begin:
            self._start_fetch(0.0)
        if key is not None and key is not before and self._listener is not None:
            self._listener.key_rotated(key)
        return key

    def _choose(self, size: int, now: float) -> ActiveKey | None:
        """Return the key to use; takes the next one out of ``_next`` if that is the one."""
        bounds = self._bounds
        current, successor = self._current, self._next
        # 1. A successor may be stale too, if nothing was logged for long.
        if successor is not None and bounds.is_stale(successor, now):
            self._next = successor = None
        fits = current is not None and bounds.has_room(current, size)
        # 2. A key that is young enough, and has room for this event, stays.
        if current is not None and fits and not bounds.is_due(current, now):
            return current
        # 3. Otherwise the successor comes into use.
        if successor is not None:
            self._next = None
            return successor
        # 4. Without one the current key may live on, past its age but never past its uses or bytes. If it has no room
        #    it is dropped, although a smaller event might fit: request() would count it as usable.
        if current is not None and fits and not bounds.is_stale(current, now):
            return current
        return None

    def _set_fast_limits(self, key: ActiveKey) -> None:
        """Set the bounds up to which :meth:`take` only counts: those of the key, or of the prefetch if it is to come."""
        bounds, part = self._bounds, 1.0 if self._next is not None else PREFETCH_AT
        key.fast_uses = int(bounds.max_uses * part)
        key.fast_bytes = int(bounds.max_bytes * part)
        key.fast_until = key.born_at + bounds.max_age * part

    def _should_prefetch(self, key: ActiveKey, now: float) -> bool:
        if self._next is not None or self._waiters is not None or self._closing.is_set() or self._pace.wait(now) > 0:
            return False
        return key.uses >= key.fast_uses or key.bytes_sealed >= key.fast_bytes or now >= key.fast_until

    def _is_usable(self, key: ActiveKey | None, now: float) -> bool:
        return key is not None and self._bounds.has_room(key, 1) and not self._bounds.is_stale(key, now)

    def _start_fetch(self, wait: float) -> None:
        try:
            if self._threads is not None:
                self._threads.start(partial(self._fetch, 0.0), after=wait)
                return
            threading.Thread(target=self._fetch, args=(wait,), name="telemetry-keys", daemon=True).start()
        except RuntimeError as exc:  # out of threads, or the interpreter ends
            error = KeyUnreachableError("no thread could be started to call the key service")
            error.__cause__ = exc
            self._finish_request(None, error)

    def _fetch(self, wait: float) -> None:
        if wait > 0:
            self._closing.wait(wait)
        if self._closing.is_set():
            return
        error: EncryptionError | None = None
        fresh: ActiveKey | None = None
        requested_at, began = self._clock(), time.perf_counter()
        try:
            fresh = self._generated(requested_at)
        except EncryptionError as exc:
            error = exc
        except TelemetryError as exc:  # a configuration that turned out to be unusable
            error = KeyServiceError(str(exc))
            error.__cause__ = exc
        except Exception as exc:  # noqa: BLE001 - a third party's provider may raise anything; waiters must hear of it
            error = KeyUnreachableError(f"the key service failed with {type(exc).__name__}")
            error.__cause__ = exc
        self.last_fetch_seconds = time.perf_counter() - began
        self._finish_request(fresh, error)

    def _generated(self, requested_at: float) -> ActiveKey:
        # A function of its own, so that nothing refers to the plaintext any more when the waiters are called.
        key = _checked(self._provider.generate_data_key(self._context))
        return ActiveKey(
            plaintext=key.plaintext,
            wrapped=key.wrapped,
            key_uri=key.key_uri,
            born_at=requested_at,
            recipients=key.recipients,
        )

    def _finish_request(self, fresh: ActiveKey | None, error: EncryptionError | None) -> None:
        with self._lock:
            waiters, self._waiters = self._waiters, None
            if error is not None:
                self._pace.note_failure(error, self._clock())
            elif not self._closing.is_set():
                self._next = fresh
                self._pace.note_success()
        # Outside the lock: a waiter may take the key, or request another one, in this very call.
        _finish(waiters or [], error)


def _checked(key: DataKey) -> DataKey:
    """Refuse what a third party's provider must not return."""
    try:
        fits = len(key.plaintext) == DATA_KEY_BYTES
        require_bounds(key.wrapped, key.key_uri)  # or no reader would accept it
        fits = fits and (not key.recipients or parse_recipients(render_recipients(key.recipients)) == key.recipients)
    except (KeyMismatchError, MalformedRecordError):
        fits = False
    if not fits:
        message = (
            "the key service's provider returned an unusable data key; it must have 32 bytes, a wrapped form of at "
            f"most {MAX_WRAPPED_BYTES} bytes and a URI of at most {MAX_URI_CHARACTERS} plain characters"
        )
        raise KeyServiceError(message)
    return key


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
