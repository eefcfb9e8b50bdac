"""Fetches the keys of subjects from the store, and creates those of subjects that have none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from telemetry.encryption.subjects.key_cache import KeyCache, SubjectName
from telemetry.encryption.subjects.store.rows import SubjectRow
from telemetry.encryption.subjects.store.store import MAX_BATCH, SubjectStore
from telemetry.encryption.subjects.store_keys import StoreKeys
from telemetry.exceptions import EncryptionError, KeyMismatchError, KeyServiceError, SubjectTableError


class KeyFetcher:
    """Brings keys from the store into memory; one thread uses it.

    Args:
        store: Has the sealed keys.
        store_keys: Open them.
        cache: Gets what was fetched.
    """

    def __init__(self, store: SubjectStore, store_keys: StoreKeys, *, cache: KeyCache) -> None:
        self._store = store
        self._store_keys = store_keys
        self._cache = cache

    def fetch(self, names: Collection[SubjectName]) -> dict[SubjectName, KeyServiceError]:
        """Fetch the keys of subjects; one that has none gets one.

        Returns:
            Why subjects have no key now, of those that have none.

        Raises:
            KeyServiceError: Store or key service refused or did not answer.
        """
        failures: dict[SubjectName, KeyServiceError] = {}
        by_source: dict[str, list[SubjectName]] = defaultdict(list)
        for name in names:
            by_source[name.source].append(name)
        for source, subjects in by_source.items():
            for part in _parts(subjects):
                failures.update(self._fetch_part(source, part))
        return failures

    def _fetch_part(self, source: str, names: Sequence[SubjectName]) -> dict[SubjectName, KeyServiceError]:
        failures: dict[SubjectName, KeyServiceError] = {}
        secret = self._store_keys.lookup_secret(source)
        wanted: dict[bytes, SubjectName] = {}
        for name in names:
            try:
                wanted[secret.lookup_of(name.user_id)] = name
            except EncryptionError as exc:
                failures[name] = KeyServiceError(str(exc))
        # 1. Those that have a key. One that is being forgotten is not used any more: its subject gets another one.
        found = self._active(list(wanted))
        # 2. The others get one; where another process was first, its key is that of both.
        absent = [lookup for lookup in wanted if lookup not in found]
        if absent:
            key = self._store_keys.current(source)
            self._store.add([key.new_subject(lookup) for lookup in absent])
            found.update(self._active(absent))
        for lookup, name in wanted.items():
            row = found.get(lookup)
            try:
                self._keep(name, row)
            except (SubjectTableError, KeyMismatchError) as exc:
                # One altered row keeps one subject from its key, and no other.
                failures[name] = exc
        return failures

    def _keep(self, name: SubjectName, row: SubjectRow | None) -> None:
        if row is None or row.store_key_id is None:
            message = "a subject was forgotten while its key was fetched; it gets another one with the next attempt"
            raise SubjectTableError(message)
        self._cache.put(name, self._store_keys.open(row.store_key_id).open_subject(row))

    def _active(self, lookups: Sequence[bytes]) -> dict[bytes, SubjectRow]:
        rows = self._store.of_lookups(lookups)
        return {row.lookup: row for row in rows if row.lookup is not None and row.state == "active"}


def _parts(names: Sequence[SubjectName]) -> Iterator[list[SubjectName]]:
    iterator = iter(names)
    while part := list(islice(iterator, MAX_BATCH)):
        yield part
