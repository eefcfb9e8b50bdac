"""Gives readers the keys of subjects by their ids, and says which of them were forgotten."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from types import TracebackType
from typing import NamedTuple, Self

from telemetry.config import TelemetryConfig
from telemetry.encryption.provider import EncryptionProvider
from telemetry.encryption.subjects.store.opening import open_store
from telemetry.encryption.subjects.store.rows import SubjectRow
from telemetry.encryption.subjects.store.store import MAX_BATCH, SubjectStore
from telemetry.encryption.subjects.store_keys import StoreKeys
from telemetry.exceptions import KeyMismatchError, SubjectTableError
from telemetry.format.value.subject.subject_key import SubjectKey
from telemetry.system.clock import Clock

logger = logging.getLogger("telemetry.encryption")

MAX_AGE_SECONDS = 60.0
"""A reader that runs on notices after this time that a subject was forgotten."""
_MAX_KEPT = 20_000


class ForgottenSubject(NamedTuple):
    """A subject whose key was destroyed.

    Attributes:
        key_id: Name of the key.
        source: Source of the trail.
        forgotten_ms: When, in milliseconds since 1970.
    """

    key_id: str
    source: str
    forgotten_ms: int


class UnknownSubject(NamedTuple):
    """A key that this store does not have, or has in an altered row.

    Attributes:
        key_id: Name of the key.
        reason: What is wrong with its row; empty where there is none.
    """

    key_id: str
    reason: str = ""


FoundSubject = SubjectKey | ForgottenSubject | UnknownSubject


class SubjectKeys:
    """The subjects' keys of one reader. May be called from several threads; calls block.

    Args:
        store: The store; it is closed with this.
        store_keys: Open what the store has.
        clock: Monotonic seconds.
    """

    def __init__(self, store: SubjectStore, store_keys: StoreKeys, *, clock: Clock = time.monotonic) -> None:
        self._store = store
        self._store_keys = store_keys
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[SubjectKey | ForgottenSubject, float]] = OrderedDict()

    def open(self, key_ids: Iterable[str]) -> dict[str, FoundSubject]:
        """Return what has become of each key.

        Args:
            key_ids: Names of keys, as events carry them.

        Raises:
            SubjectStoreError: The store refused or did not answer.
            KeyServiceError: The key service refused to unwrap a store key, or did not answer.
        """
        wanted = list(dict.fromkeys(key_ids))
        found = self._kept_of(wanted)
        for part in _parts([key_id for key_id in wanted if key_id not in found]):
            rows = {row.key_id: row for row in self._store.of_keys(part)}
            for key_id in part:
                row = rows.get(key_id)
                found[key_id] = UnknownSubject(key_id) if row is None else self._opened(row)
        self._keep(found.values())
        return found

    def find(self, user_id: str, *, source: str) -> list[str]:
        """Return the ids of the keys that a user has now; none for one who was forgotten.

        Args:
            user_id: The user.
            source: Source of the user's service.

        Raises:
            KeyServiceError: As for :meth:`open`.
        """
        secret = self._store_keys.find_lookup_secret(source)
        if secret is None:
            return []
        return [row.key_id for row in self._store.of_lookups([secret.lookup_of(user_id)])]

    def close(self) -> None:
        """Drop the keys and close the store."""
        with self._lock:
            self._kept.clear()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"SubjectKeys(kept={len(self._kept)})"

    def _opened(self, row: SubjectRow) -> FoundSubject:
        if row.forgotten_ms is not None:
            return ForgottenSubject(row.key_id, row.source, row.forgotten_ms)
        try:
            return self._store_keys.open(row.store_key_id or "").open_subject(row)
        except (SubjectTableError, KeyMismatchError) as exc:
            # One altered row keeps one subject's events sealed, and no other's.
            logger.error("the key %s cannot be used: %s", row.key_id, exc)  # noqa: TRY400 - the cause is in the line
            return UnknownSubject(row.key_id, str(exc))

    def _kept_of(self, key_ids: Sequence[str]) -> dict[str, FoundSubject]:
        now = self._clock()
        with self._lock:
            kept = [self._kept[key_id] for key_id in key_ids if key_id in self._kept]
        return {one.key_id: one for one, until in kept if now < until}

    def _keep(self, found: Collection[FoundSubject]) -> None:
        until = self._clock() + MAX_AGE_SECONDS
        with self._lock:
            for one in found:
                # What is unknown may be there a moment later. An age that has begun is not begun anew.
                if not isinstance(one, UnknownSubject) and self._is_old(one.key_id):
                    self._kept.pop(one.key_id, None)
                    self._kept[one.key_id] = (one, until)
            while len(self._kept) > _MAX_KEPT:
                self._kept.popitem(last=False)

    def _is_old(self, key_id: str) -> bool:
        kept = self._kept.get(key_id)
        return kept is None or kept[1] <= self._clock()


def subject_keys_of(config: TelemetryConfig, provider: EncryptionProvider) -> SubjectKeys | None:
    """Return the keys of a configuration; None where subjects have no keys. Nothing is opened yet.

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
    store = open_store(section)
    return SubjectKeys(store, StoreKeys(store, provider, max_age_days=section.store_key_max_age_days))


def _parts(key_ids: Sequence[str]) -> Iterator[list[str]]:
    iterator = iter(key_ids)
    while part := list(islice(iterator, MAX_BATCH)):
        yield part
