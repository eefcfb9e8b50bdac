"""Unwraps data keys for the read side: one call for each key, however many records and threads need it."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from telemetry.encryption.context import canonical, require_bounds, require_data_key
from telemetry.encryption.provider import Context, EncryptionProvider
from telemetry.encryption.unwrap.budget import UnwrapBudget
from telemetry.encryption.unwrap.opened_keys import MAX_BYTES, OpenedKey, OpenedKeys
from telemetry.encryption.unwrap.refusals import Refusals
from telemetry.exceptions import (
    KeyMismatchError,
    KeyNotListedError,
    KeyServiceError,
    KeyUnreachableError,
    TelemetryError,
    UnknownKeysError,
)
from telemetry.format.value.recipients import Wrap
from telemetry.system.clock import Clock

_ERROR_SECONDS = 1.0
_MAX_ERRORS = 1_000
_MAX_MISMATCHES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """The record that a data key is needed for.

    Attributes:
        producer: As the record names it; it may be forged.
        kid: Name of the data key in the record; it may be forged too.
        waited: Whether the record waited for its turn in the budget.
    """

    producer: str
    kid: str
    waited: bool = False


class UnwrapCache:
    """Calls the key service once for each wrapped key, however many records and threads need it.

    A key whose KEK was revoked opens records for ``max_age`` at most. An error is remembered for a second only, so that a
    stream of records under one unusable key does not storm the service; a mismatch, which stays one, as long as a key.
    Forged records have a new key each: the budget bounds what those cost.

    Args:
        provider: Unwraps the keys.
        budget: Bounds the mismatches of those who name themselves when they ask for a key.
        max_bytes: Room for the keys that are kept.
        max_age: Seconds for which a key is kept.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        provider: EncryptionProvider,
        *,
        budget: UnwrapBudget | None = None,
        max_bytes: int = MAX_BYTES,
        max_age: float = 3_600.0,
        clock: Clock = time.monotonic,
    ) -> None:
        self._provider = provider
        self._budget = budget or UnwrapBudget()
        self._clock = clock
        self._lock = threading.Lock()
        self._opened = OpenedKeys(max_bytes=max_bytes, max_age=max_age, clock=clock)
        # Apart from the keys: a flood of forged records must not drive these out.
        self._errors = Refusals(most=_MAX_ERRORS, seconds=_ERROR_SECONDS, clock=clock)
        self._mismatches = Refusals(most=_MAX_MISMATCHES, seconds=max_age, clock=clock)
        self._requested: dict[bytes, Future[OpenedKey]] = {}
        self._closed = False

    def open_key(
        self,
        wrapped: bytes,
        key_uri: str,
        context: Context,
        *,
        asker: Asker | None = None,
        sealed_as: Wrap | None = None,
    ) -> OpenedKey:
        """Return the data key of a record.

        Args:
            wrapped: The wrapped key.
            key_uri: The KEK that wrapped it, as the record names it.
            context: The context that it is bound to.
            asker: The record, for the budget; None where no stranger can ask.
            sealed_as: What the record names, if the wrapped key is another wrap of the same data key: the ``kid`` commits
                to this one.

        Raises:
            UnknownKeysError: Too many keys were mismatches; the same call may succeed later.
            KeyServiceError: The subclass says why it is not available; ``KeyMismatchError`` for one that was altered.
        """
        require_bounds(wrapped, key_uri)
        sealed_as = sealed_as or Wrap(wrapped, key_uri)
        name = _name(wrapped, key_uri.encode(), canonical(context), sealed_as.wrapped, sealed_as.key_uri.encode())
        with self._lock:
            opened = self._opened.get(name, sealed_as=sealed_as)
            if opened is not None:
                return opened
            refusal = self._mismatches.find(name) or self._errors.find(name)
            if refusal is not None:
                # Not a new one: a third party's class may need other arguments.
                raise refusal.with_traceback(None)
            requested = self._requested.get(name)
            if requested is None and asker is not None and not self._may_ask(asker, key_uri):
                raise UnknownKeysError(data_key=name)
            ours = Future[OpenedKey]()
            if requested is None:
                self._errors.forget_past()
                self._opened.asks(name)
                self._requested[name] = ours
        if requested is not None:
            return requested.result()
        try:
            unwrap = partial(self._unwrapped, wrapped, key_uri, context)
            return self._request(name, ours, unwrap, key_uri=key_uri, sealed_as=sealed_as)
        except KeyMismatchError:
            if asker is not None and self._provider.costs_a_call(key_uri):
                self._budget.mismatch(asker.producer, asker.kid)
            raise

    def close(self) -> None:
        """Forget every key, also one that is on its way."""
        with self._lock:
            self._closed = True
            self._opened.close()
            self._errors.clear()
            self._mismatches.clear()

    def __len__(self) -> int:
        return len(self._opened)

    def _may_ask(self, asker: Asker, key_uri: str) -> bool:
        return not self._provider.costs_a_call(key_uri) or self._budget.allow(
            asker.producer, asker.kid, waited=asker.waited
        )

    def _unwrapped(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        return require_data_key(self._provider.unwrap(wrapped, key_uri, context), key_uri=key_uri)

    def _request(
        self, name: bytes, ours: Future[OpenedKey], unwrap: Callable[[], bytes], *, key_uri: str, sealed_as: Wrap
    ) -> OpenedKey:
        """Call the key service, and answer every thread that waits for the same key; raises what they get."""
        requested_at = self._clock()
        try:
            plaintext = unwrap()
            opened = OpenedKey(plaintext, key_uri=sealed_as.key_uri, wrapped=sealed_as.wrapped)
        except KeyServiceError as exc:
            self._remember(name, exc)
            ours.set_exception(exc)
            raise
        except TelemetryError as exc:  # a configuration that turned out to be unusable
            refusal = KeyServiceError(str(exc))
            refusal.__cause__ = exc
            self._end_request(name)
            ours.set_exception(refusal)
            raise refusal from exc
        except BaseException as exc:
            error = KeyUnreachableError(f"unwrapping a data key of {key_uri} failed with {type(exc).__name__}")
            error.__cause__ = exc
            self._end_request(name)
            ours.set_exception(error)
            if isinstance(exc, Exception):
                raise error from exc
            raise
        with self._lock:
            del self._requested[name]
            self._opened.keep(name, plaintext, requested_at=requested_at)
        ours.set_result(opened)
        return opened

    def _end_request(self, name: bytes) -> None:
        with self._lock:
            del self._requested[name]

    def _remember(self, name: bytes, error: KeyServiceError) -> None:
        with self._lock:
            del self._requested[name]
            if self._closed:
                return
            # A key that is not listed costs no call, and may be in the key file a moment later.
            if isinstance(error, KeyMismatchError) and not isinstance(error, KeyNotListedError):
                # Its text only: thousands of errors with their causes and frames would be megabytes.
                self._mismatches.add(name, KeyMismatchError(str(error)))
            else:
                self._errors.add(name, error)


def _name(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
