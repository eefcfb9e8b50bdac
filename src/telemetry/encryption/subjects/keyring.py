"""Gives the sealer the key of each subject: from memory within a lease, else from the store in a thread of its own."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Collection
from concurrent.futures import Future

from telemetry.config import TelemetryConfig
from telemetry.encryption.provider import EncryptionProvider
from telemetry.encryption.retry_pace import RetryPace
from telemetry.encryption.subjects.fetching import KeyFetcher
from telemetry.encryption.subjects.key_cache import KeyCache, SubjectName
from telemetry.encryption.subjects.lease import Lease, LeaseClocks
from telemetry.encryption.subjects.requests import KeyBatch, KeyRequests
from telemetry.encryption.subjects.store.opening import open_store
from telemetry.encryption.subjects.store.store import SubjectStore
from telemetry.encryption.subjects.store_keys import StoreKeys
from telemetry.exceptions import (
    EncryptionError,
    KeyServiceError,
    KeyUnreachableError,
    SubjectStoreError,
    TelemetryError,
)
from telemetry.format.value.subject.subject_key import SubjectKey
from telemetry.system.worker import Worker

logger = logging.getLogger("telemetry.encryption")

_CLOSE_SECONDS = 1.0
_LONGEST_WAIT_OF_CALLERS = 1.0


class SubjectKeyring:
    """The subjects' keys of one process, for all of its sources.

    Its thread ``telemetry-subject-keys`` alone asks store and key service, so a key that it fetches cannot pass the news that
    the subject was forgotten. Events are sealed from memory: a process that does not reach the store for as long as its lease
    lasts has no keys any more, until it does.

    Nothing survives a fork: a child creates a keyring of its own.

    Args:
        store: The store; the keyring closes it.
        store_keys: Open what the store has.
        lease_seconds: How long a lease is.
        cached_keys: Keys that are kept in memory.
        clocks: Tell the time.
    """

    # attributes: what is kept, what is asked for, and the one thread that asks
    def __init__(
        self,
        store: SubjectStore,
        store_keys: StoreKeys,
        *,
        lease_seconds: float,
        cached_keys: int,
        clocks: LeaseClocks | None = None,
    ) -> None:
        self._store = store
        self._store_keys = store_keys
        self._clocks = clocks or LeaseClocks()
        self._cache = KeyCache(cached_keys)
        self._lease = Lease(store, self._cache, seconds=lease_seconds, clocks=self._clocks, kept=store_keys)
        self._fetcher = KeyFetcher(store, store_keys, cache=self._cache)
        self._requests = KeyRequests()
        self._pace = RetryPace()
        self._can_destroy = True
        self._sources: dict[str, SubjectsOfSource] = {}
        self._worker = Worker("telemetry-subject-keys", self._run)
        self._start_lock = threading.Lock()
        self._pid = os.getpid()

    @property
    def has_lease(self) -> bool:
        """Whether keys that are in memory may be used now."""
        return self._lease.is_valid

    @property
    def last_error(self) -> KeyServiceError | None:
        """Why store or key service did not answer last; None after they did."""
        return self._pace.last_error

    @property
    def is_withheld(self) -> bool:
        """Whether no subject's event can be sealed now, because store or key service did not answer."""
        return self.last_error is not None and not self._lease.is_valid

    @property
    def keys_in_memory(self) -> int:
        """How many keys are kept."""
        return len(self._cache)

    def of(self, source: str) -> SubjectsOfSource:
        """Return the subjects of a source; the same object each time."""
        found = self._sources.get(source)
        return found or self._sources.setdefault(
            source, SubjectsOfSource(self, source, cache=self._cache, lease=self._lease)
        )

    def require(self, source: str) -> None:
        """Fetch the store key of a source, for the start of a process; blocks.

        Raises:
            SubjectTableError: The store's tables cannot be used.
            KeyServiceError: Store or key service refused or did not answer.
        """
        self._store.check()
        self._store_keys.lookup_secret(source)
        self._store_keys.current(source)
        if not self._store.is_shared:
            logger.info(
                "the keys of subjects are in a SQLite file: every process that logs for this service has to be on this host; "
                "use PostgreSQL for several hosts"
            )

    def retry_if_due(self) -> None:
        """Ask store and key service again, if they did not answer and the pace allows it; does not wait for them."""
        if self._pace.last_error is not None and self._pace.wait(self._clocks.monotonic()) <= 0:
            self._wake()

    def close(self) -> None:
        """Drop the keys and fail every call that waits; waits at most a second for the store."""
        closed = KeyUnreachableError("the pipeline was shut down")
        if self._pid != os.getpid():
            self._lease.abandon()
            return
        self._requests.close(closed)
        self._lease.abandon()
        if self._worker.stop(_CLOSE_SECONDS):
            self._store.close()

    def request(self, names: Collection[SubjectName]) -> Future[None]:
        """Ask for keys of subjects; the future is done when they are in memory, or fails with what was answered."""
        if self._lease.is_valid and all(self._cache.get(name) is not None for name in names):
            done: Future[None] = Future()
            done.set_result(None)
            return done
        future = self._requests.add(names)
        self._wake()
        return future

    def __repr__(self) -> str:
        return f"SubjectKeyring(keys={len(self._cache)})"

    def _wake(self) -> None:
        self._worker.wake()
        if self._worker.is_alive:
            return
        with self._start_lock:
            if self._worker.is_alive or self._worker.is_stopping:
                return
            try:
                self._worker.start()
            except RuntimeError as exc:  # out of threads, or the interpreter ends
                error = KeyUnreachableError("no thread could be started to ask the subject store")
                error.__cause__ = exc
                self._requests.take().fail(error)

    def _run(self) -> None:
        worker = self._worker
        try:
            while not worker.is_stopping:
                self._serve()
                worker.pause(self._pause())
        finally:
            with contextlib.suppress(SubjectStoreError):
                self._lease.end()
            self._store.close()

    def _pause(self) -> float:
        if len(self._requests):
            return 0.0
        return max(self._lease.due_in, self._pace.wait(self._clocks.monotonic()))

    def _serve(self) -> None:
        """Renew the lease if that is due, and answer what was asked for."""
        wait = self._pace.wait(self._clocks.monotonic())
        if wait > 0 and not len(self._requests):
            return
        # Callers who keep asking wait less than the pace, and still do not storm a store that is down.
        if wait > 0 and self._worker.rest(min(wait, _LONGEST_WAIT_OF_CALLERS)):
            return
        batch = self._requests.take()
        try:
            pending = self._lease.renew() if self._lease.due_in <= 0 else False
            failures = self._fetcher.fetch(batch.names)
        except Exception as exc:  # noqa: BLE001 - a third party's provider may raise anything; waiters must hear of it
            self._failed(batch, _as_key_error(exc))
            return
        self._pace.note_success()
        batch.finish(failures)
        if pending and self._can_destroy:
            self._destroy()

    def _failed(self, batch: KeyBatch, error: KeyServiceError) -> None:
        now = self._clocks.monotonic()
        if self._pace.last_error is None:
            logger.warning("the keys of subjects cannot be fetched or renewed now, which is tried again: %s", error)
        self._pace.note_failure(error, now)
        self._lease.postpone(self._pace.wait(now))
        # The next attempt reads everything anew: another process may have replaced a store key.
        self._store_keys.drop()
        batch.fail(error)

    def _destroy(self) -> None:
        """Destroy keys that were left to the next process; those under which another one may seal stay."""
        try:
            # A file is cleaned at once. A server's table is locked for that, which is the command's business.
            if self._store.destroy().destroyed and not self._store.is_shared:
                self._store.clean()
        except SubjectStoreError as exc:
            if not exc.retriable:
                self._can_destroy = False
            logger.info("keys of forgotten subjects wait for `telemetry subject forget`: %s", exc)


class SubjectsOfSource:
    """The subjects of one source, as the sealer asks for their keys.

    Args:
        keyring: Fetches the keys.
        source: The source.
        cache: Has the keys that are in memory.
        lease: Says whether they may be used.
    """

    __slots__ = ("_cache", "_keyring", "_lease", "_source")

    def __init__(self, keyring: SubjectKeyring, source: str, *, cache: KeyCache, lease: Lease) -> None:
        self._keyring = keyring
        self._source = source
        self._cache = cache
        self._lease = lease

    def take(self, user_id: str) -> SubjectKey | None:
        """Return the key of a user, if it is in memory and may be used now; does not block."""
        # A tuple, which is a name too: this is called once an event.
        key = self._cache.get((self._source, user_id))
        return key if key is not None and self._lease.is_valid else None

    def still_holds(self, key: SubjectKey) -> bool:
        """Return whether a key may be used still; ask after sealing, and drop what was sealed if not.

        What was sealed before this call was then sealed before the destruction of the key.
        """
        return self._cache.has(key) and self._lease.is_valid

    def request(self, user_ids: Collection[str]) -> Future[None]:
        """Ask for the keys of users; the future is done when :meth:`take` gives one, or fails."""
        return self._keyring.request([SubjectName(self._source, user_id) for user_id in user_ids])

    def missing(self) -> KeyServiceError:
        """Return the error for a call that timed out waiting for a key."""
        return self._keyring.last_error or SubjectStoreError(
            "no subject key: the subject store did not answer within data_key_wait_ms; the event was not logged"
        )


def subject_keyring_of(config: TelemetryConfig, provider: EncryptionProvider) -> SubjectKeyring | None:
    """Return the keyring of a configuration; None where subjects have no keys. Nothing is opened yet.

    Args:
        config: Names the store.
        provider: The key service.

    Raises:
        ConfigurationError: The store's URL cannot be used.
        MissingExtraError: The driver is not installed.
    """
    section = config.audit_config.subject_keys
    if section is None:
        return None
    store = open_store(section, creates=True)
    return SubjectKeyring(
        store,
        StoreKeys(store, provider, max_age_days=section.store_key_max_age_days),
        lease_seconds=section.lease_seconds,
        cached_keys=section.cached_keys,
    )


def _as_key_error(exc: Exception) -> KeyServiceError:
    if isinstance(exc, KeyServiceError):
        return exc
    if isinstance(exc, EncryptionError | TelemetryError):
        error = KeyServiceError(str(exc))
    else:
        error = KeyUnreachableError(f"the key service failed with {type(exc).__name__}")
    error.__cause__ = exc
    return error
