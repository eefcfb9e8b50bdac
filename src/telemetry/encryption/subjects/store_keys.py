"""Unwraps and creates the keys of the subject store: one call to the key service a process, not one a person."""

from __future__ import annotations

import logging
import secrets
import threading
import time

from telemetry.encryption.context import require_bounds, require_data_key
from telemetry.encryption.provider import Context, EncryptionProvider
from telemetry.encryption.subjects.store.rows import StoreKeyRow
from telemetry.encryption.subjects.store.store import SubjectStore
from telemetry.encryption.subjects.wrapping import LookupSecret, StoreKey
from telemetry.exceptions import KeyMismatchError, KeyServiceError, MalformedRecordError, SubjectTableError
from telemetry.format.value.message import context_of
from telemetry.format.value.recipients import Wrap, parse_recipients, render_recipients

logger = logging.getLogger("telemetry.encryption")

PURPOSE = "telemetry-subjects"
"""Purpose in the context of store keys: they open no event and no stored object."""

_ID_BYTES = 16
_MOST_TRIED = 3
_DAY_MS = 86_400_000


def subject_context(source: str) -> Context:
    """Return the encryption context of a source's store keys."""
    return {**context_of(source), "purpose": PURPOSE}


class StoreKeys:
    """The store keys of one process, unwrapped when they are first needed. May be called from several threads.

    Args:
        store: Keeps them wrapped.
        provider: The key service.
        max_age_days: The key that seals new subjects is replaced after this time.
    """

    def __init__(self, store: SubjectStore, provider: EncryptionProvider, *, max_age_days: float = 90.0) -> None:
        self._store = store
        self._provider = provider
        self._max_age_ms = max_age_days * _DAY_MS
        self._lock = threading.Lock()
        self._opened: dict[str, StoreKey] = {}
        self._current: dict[str, tuple[StoreKey, float]] = {}
        self._lookups: dict[str, LookupSecret] = {}

    def current(self, source: str) -> StoreKey:
        """Return the key that seals new subjects of a source; creates one where there is none, or the last is too old.

        Raises:
            KeyServiceError: The store or the key service refused or did not answer.
        """
        with self._lock:
            known = self._current.get(source)
            if known is not None and time.time() * 1_000 - known[1] < self._max_age_ms:
                return known[0]
            row = self._newest(source) or self._created(source)
            key = self._unwrapped(row)
            self._current[source] = (key, row.created_ms)
            return key

    def replace(self, source: str) -> StoreKey:
        """Create a key that seals new subjects of a source from now on; raises as :meth:`current` does."""
        with self._lock:
            row = self._created(source)
            key = self._unwrapped(row)
            self._current[source] = (key, row.created_ms)
            return key

    def open(self, store_key_id: str) -> StoreKey:
        """Return a store key by its name.

        Raises:
            SubjectTableError: There is no such key.
            KeyServiceError: The store or the key service refused or did not answer.
        """
        with self._lock:
            known = self._opened.get(store_key_id)
            if known is not None:
                return known
            row = self._store.store_key(store_key_id)
            if row is None:
                message = f"the store key {store_key_id} is gone from the subject store; restore it from a backup"
                raise SubjectTableError(message)
            return self._unwrapped(row)

    def lookup_secret(self, source: str) -> LookupSecret:
        """Return the lookup secret of a source, which is created with its first subject; raises as :meth:`current` does."""
        found = self.find_lookup_secret(source)
        if found is not None:
            return found
        key = self.current(source)
        row = self._store.add_lookup(key.seal_lookup(LookupSecret.create(source)))
        # Another process may have been first: the secret in the store is that of both.
        return self._kept(source, self.open(row.store_key_id).open_lookup(row))

    def find_lookup_secret(self, source: str) -> LookupSecret | None:
        """Return the lookup secret of a source; None where it has no subjects yet."""
        known = self._lookups.get(source)
        if known is not None:
            return known
        row = self._store.lookup(source)
        return None if row is None else self._kept(source, self.open(row.store_key_id).open_lookup(row))

    def drop(self) -> None:
        """Ask the store again with the next call; the key service is not called again for keys that it has unwrapped."""
        with self._lock:
            self._current.clear()
            self._lookups.clear()

    def __repr__(self) -> str:
        return f"StoreKeys(opened={len(self._opened)})"

    def _kept(self, source: str, secret: LookupSecret) -> LookupSecret:
        with self._lock:
            return self._lookups.setdefault(source, secret)

    def _newest(self, source: str) -> StoreKeyRow | None:
        """Return the newest store key that opens; None if that is too old to go on with."""
        for row in self._store.store_keys(source)[:_MOST_TRIED]:
            if time.time() * 1_000 - row.created_ms >= self._max_age_ms:
                return None
            try:
                self._unwrapped(row)
            except (KeyMismatchError, SubjectTableError):  # one altered row keeps no new subject from its key
                logger.warning(
                    "the newest store key %s of %s does not open, and is passed over", row.store_key_id, source
                )
                continue
            return row
        return None

    def _created(self, source: str) -> StoreKeyRow:
        key = self._provider.generate_data_key(subject_context(source))
        require_data_key(key.plaintext, key_uri=key.key_uri)
        require_bounds(key.wrapped, key.key_uri)
        recipients = render_recipients(key.recipients) if key.recipients else ""
        row = StoreKeyRow(secrets.token_hex(_ID_BYTES), source, key.wrapped, key.key_uri, recipients, 0)
        self._store.add_store_key(row)
        self._opened[row.store_key_id] = StoreKey(key.plaintext, store_key_id=row.store_key_id, source=source)
        return row._replace(created_ms=time.time_ns() // 1_000_000)

    def _unwrapped(self, row: StoreKeyRow) -> StoreKey:
        known = self._opened.get(row.store_key_id)
        if known is None:
            known = StoreKey(self._plaintext(row), store_key_id=row.store_key_id, source=row.source)
            self._opened[row.store_key_id] = known
        return known

    def _plaintext(self, row: StoreKeyRow) -> bytes:
        try:
            recipients = parse_recipients(row.recipients) if row.recipients else ()
        except MalformedRecordError as exc:
            message = (
                f"the store key {row.store_key_id} has further wraps that cannot be read; restore it from a backup"
            )
            raise SubjectTableError(message) from exc
        context = subject_context(row.source)
        refusals: list[KeyServiceError] = []
        for wrap in (Wrap(row.wrapped, row.key_uri), *recipients):
            require_bounds(wrap.wrapped, wrap.key_uri)
            # The store is not believed: only keys that the configuration admits are asked about.
            if not self._provider.admits(wrap.key_uri):
                continue
            try:
                return require_data_key(
                    self._provider.unwrap(wrap.wrapped, wrap.key_uri, context), key_uri=wrap.key_uri
                )
            except KeyServiceError as exc:
                refusals.append(exc)
        if refusals:
            raise refusals[0]
        message = f"the subject store's key {row.store_key_id} was wrapped by {row.key_uri}, which is not listed; add it to previous_keys"
        raise KeyMismatchError(message)
