"""Keeps unwrapped data keys for the read side, bounded in number and age."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.encryption.context import canonical, require_bounds, require_data_key
from telemetry.encryption.provider import Context, EncryptionProvider
from telemetry.encryption.unwrap_budget import UnwrapBudget
from telemetry.exceptions import (
    KeyMismatchError,
    KeyNotListedError,
    KeyServiceError,
    KeyUnreachableError,
    TelemetryError,
    UnknownKeysError,
)
from telemetry.format.value import jwe
from telemetry.format.value.recipients import Wrap
from telemetry.system.clock import Clock

_ERROR_SECONDS = 1.0
_MAX_MISMATCHES = 10_000


class OpenedKey:
    """A data key that opens. Nothing of it is in a ``repr`` or a pickle.

    Attributes:
        kid: Commitment computed from the key and the record's facts about it; the caller compares it with the record's.
        cipher: AES-256-GCM under the key.
    """

    __slots__ = ("cipher", "kid")

    def __init__(self, plaintext: bytes, *, key_uri: str, wrapped: bytes) -> None:
        self.kid = jwe.key_id(plaintext, key_uri=key_uri, wrapped=wrapped)
        self.cipher = AESGCM(plaintext)

    def __repr__(self) -> str:
        return f"OpenedKey(kid={self.kid!r})"

    def __reduce__(self) -> NoReturn:
        message = "a data key cannot be pickled or copied"
        raise TypeError(message)


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


@dataclass(frozen=True, slots=True)
class _Entry:
    result: OpenedKey | KeyServiceError
    until: float


class UnwrapCache:
    """Calls the key service once for each wrapped key, however many records and threads need it.

    A key whose KEK was revoked opens records for ``max_age`` at most. An error is remembered for a second only, so that a
    stream of records under one unusable key does not storm the service; a mismatch, which stays one, as long as a key.
    Forged records have a new key each: the budget bounds what those cost.

    Args:
        provider: Unwraps the keys.
        budget: Bounds the mismatches of those who name themselves when they ask for a key.
        max_entries: How many keys are kept; the one unused for longest goes first.
        max_age: Seconds for which a key is kept.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        provider: EncryptionProvider,
        *,
        budget: UnwrapBudget | None = None,
        max_entries: int = 1_000,
        max_age: float = 3_600.0,
        clock: Clock = time.monotonic,
    ) -> None:
        self._provider = provider
        self._budget = budget or UnwrapBudget()
        self._max_entries = max_entries
        self._max_age = max_age
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        # Apart from the keys: a flood of forged records must not drive these out.
        self._mismatches: OrderedDict[bytes, _Entry] = OrderedDict()
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
            known = self._find(name)
            if isinstance(known, OpenedKey):
                return known
            if known is not None:
                # Not a new one: a third party's class may need other arguments.
                raise known.with_traceback(None)
            requested = self._requested.get(name)
            if requested is None and asker is not None and not self._may_ask(asker, key_uri):
                raise UnknownKeysError(data_key=name)
            ours = Future[OpenedKey]()
            if requested is None:
                self._requested[name] = ours
        if requested is not None:
            return requested.result()
        try:
            return self._request(name, ours, partial(self._unwrapped, wrapped, key_uri, context, sealed_as), key_uri)
        except KeyMismatchError:
            if asker is not None and self._provider.costs_a_call(key_uri):
                self._budget.mismatch(asker.producer, asker.kid)
            raise

    def close(self) -> None:
        """Forget every key, also one that is on its way."""
        with self._lock:
            self._closed = True
            self._entries.clear()
            self._mismatches.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def _may_ask(self, asker: Asker, key_uri: str) -> bool:
        return not self._provider.costs_a_call(key_uri) or self._budget.allow(
            asker.producer, asker.kid, waited=asker.waited
        )

    def _find(self, name: bytes) -> OpenedKey | KeyServiceError | None:
        entries = self._mismatches if name in self._mismatches else self._entries
        entry = entries.get(name)
        if entry is None:
            return None
        if self._clock() >= entry.until:
            del entries[name]
            return None
        entries.move_to_end(name)
        return entry.result

    def _unwrapped(self, wrapped: bytes, key_uri: str, context: Context, sealed_as: Wrap) -> OpenedKey:
        plaintext = require_data_key(self._provider.unwrap(wrapped, key_uri, context), key_uri=key_uri)
        return OpenedKey(plaintext, key_uri=sealed_as.key_uri, wrapped=sealed_as.wrapped)

    def _request(
        self, name: bytes, ours: Future[OpenedKey], unwrap: Callable[[], OpenedKey], key_uri: str
    ) -> OpenedKey:
        """Call the key service, and answer every thread that waits for the same key; raises what they get."""
        requested_at = self._clock()
        try:
            opened = unwrap()
        except KeyServiceError as exc:
            self._remember_error(name, exc)
            ours.set_exception(exc)
            raise
        except TelemetryError as exc:  # a configuration that turned out to be unusable
            refusal = KeyServiceError(str(exc))
            refusal.__cause__ = exc
            self._finish_request(name, None)
            ours.set_exception(refusal)
            raise refusal from exc
        except BaseException as exc:
            error = KeyUnreachableError(f"unwrapping a data key of {key_uri} failed with {type(exc).__name__}")
            error.__cause__ = exc
            self._finish_request(name, None)
            ours.set_exception(error)
            if isinstance(exc, Exception):
                raise error from exc
            raise
        # From the request on, not from the answer: a slow answer must not lengthen the life of a revoked key.
        self._finish_request(name, _Entry(opened, requested_at + self._max_age))
        ours.set_result(opened)
        return opened

    def _remember_error(self, name: bytes, error: KeyServiceError) -> None:
        # A key that is not listed costs no call, and may be in the key file a moment later.
        if not isinstance(error, KeyMismatchError) or isinstance(error, KeyNotListedError):
            self._finish_request(name, _Entry(error, self._clock() + _ERROR_SECONDS))
            return
        self._finish_request(name, None)
        with self._lock:
            if self._closed:
                return
            # Its text only: thousands of errors with their causes and frames would be megabytes.
            self._mismatches[name] = _Entry(KeyMismatchError(str(error)), self._clock() + self._max_age)
            while len(self._mismatches) > _MAX_MISMATCHES:
                self._mismatches.popitem(last=False)

    def _finish_request(self, name: bytes, entry: _Entry | None) -> None:
        with self._lock:
            del self._requested[name]
            now = self._clock()
            for old in [old for old, kept in self._entries.items() if now >= kept.until]:
                # Nobody may need it again, and a key is not to be kept for nothing.
                del self._entries[old]
            if entry is None or self._closed:
                return
            self._entries[name] = entry
            self._entries.move_to_end(name)
            while len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)


def _name(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
